"""P4: an inbox takes so many files and bytes; beyond that an upload is refused clearly, and nothing there is lost."""

from __future__ import annotations

import contextlib
import ftplib
import io
import os
import threading
from pathlib import Path

import pytest
from ftps_sandbox import TDSP, Sandbox, running
from test_ftps_site import send_on, wait_for

FILES, BYTES = 3, 1_000_000


@pytest.fixture
def box(tmp_path: Path):
    with running(tmp_path, inbox_files=FILES, inbox_bytes=BYTES) as site:
        with site.login(TDSP):
            pass
        yield site


def contents(box: Sandbox) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in (box.home(TDSP) / "inbox").iterdir()}


def test_one_file_too_many_is_refused_and_there_is_room_again_when_one_was_taken(box: Sandbox) -> None:
    with box.login(TDSP) as client:
        for number in range(FILES):
            client.storbinary(f"STOR /inbox/{number}", io.BytesIO(b"x"))
        with pytest.raises(ftplib.error_perm, match="552 The inbox holds 3 files, its limit"):
            client.storbinary("STOR /inbox/more", io.BytesIO(b"x"))
        # the same name again adds no file
        client.storbinary("STOR /inbox/0", io.BytesIO(b"again"))
        assert contents(box) == {"0": 5, "1": 1, "2": 1}
        (box.home(TDSP) / "inbox" / "1").unlink()
        client.storbinary("STOR /inbox/more", io.BytesIO(b"x"))
    assert sorted(contents(box)) == ["0", "2", "more"]


def test_bytes_beyond_the_quota_are_refused_before_or_while_they_come(box: Sandbox) -> None:
    with box.login(TDSP) as client:
        client.storbinary("STOR /inbox/kept", io.BytesIO(bytes(600_000)))
        client.voidcmd("TYPE I")
        client.sendcmd("ALLO 500000")
        with pytest.raises(ftplib.error_perm, match="552 The inbox may hold 1000000 bytes"):
            client.sendcmd("STOR /inbox/announced")
        with pytest.raises(ftplib.error_perm, match="552 The inbox may hold 1000000 bytes"):
            send_on(client, "STOR /inbox/unannounced", bytes(500_000))
        assert contents(box) == {"kept": 600_000}
        client.storbinary("STOR /inbox/fits", io.BytesIO(bytes(400_000)))
        with pytest.raises(ftplib.error_perm, match="552"):
            client.storbinary("STOR /inbox/tiny", io.BytesIO(b"x"))
    assert contents(box) == {"kept": 600_000, "fits": 400_000}


def test_uploads_side_by_side_share_the_room(box: Sandbox) -> None:
    with box.login(TDSP) as first, box.login(TDSP) as second:
        slow = first.transfercmd("STOR /inbox/slow")
        slow.sendall(bytes(700_000))
        folder = box.home(TDSP) / "inbox"
        wait_for(lambda: sum(path.stat().st_size for path in folder.glob(".slow*")) > 600_000)
        with pytest.raises(ftplib.error_perm, match="552"):
            send_on(second, "STOR /inbox/other", bytes(500_000))
        slow.unwrap()
        slow.close()
        assert first.voidresp().startswith("226")
    assert contents(box) == {"slow": 700_000}


def test_uploads_that_were_all_begun_while_there_was_room_do_not_all_stay(box: Sandbox) -> None:
    """Each fits when it begins, and too small to be counted while it comes: the last count is at its end."""
    folder = box.home(TDSP) / "inbox"
    with box.login(TDSP) as first, box.login(TDSP) as second, box.login(TDSP) as third:
        clients = {"a": first, "b": second, "c": third}
        under_way = {name: client.transfercmd(f"STOR /inbox/{name}") for name, client in clients.items()}
        for data in under_way.values():
            data.sendall(bytes(400_000))
        # what is written stays in each file's buffer in part, so that the folder alone does not tell
        wait_for(lambda: sum(path.stat().st_size for path in folder.iterdir()) > 1_150_000)
        answers = []
        for name, data in under_way.items():
            with contextlib.suppress(OSError):
                data.unwrap()
            data.close()
            try:
                answers.append(clients[name].voidresp())
            except ftplib.error_perm as refused:
                answers.append(str(refused))
    assert [answer[:3] for answer in answers] == ["552", "226", "226"]
    assert answers[0].startswith("552 The inbox may hold 1000000 bytes")
    assert contents(box) == {"b": 400_000, "c": 400_000}


def test_many_at_once_never_exceed_the_quota(box: Sandbox) -> None:
    def upload(number: int) -> None:
        with box.login(TDSP) as client:
            try:
                answers.append(send_on(client, f"STOR /inbox/{number}", bytes(300_000)))
            except ftplib.error_perm as refused:
                answers.append(str(refused))

    answers: list[str] = []

    threads = [threading.Thread(target=upload, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
    assert {answer[:3] for answer in answers} <= {"226", "552"}
    assert len(answers) == 6
    assert sum(contents(box).values()) <= BYTES
    assert not any(name.startswith(".") for name in os.listdir(box.home(TDSP) / "inbox"))
