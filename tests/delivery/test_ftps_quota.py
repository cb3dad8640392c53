"""P4: an inbox takes so many files and bytes; beyond that an upload is refused clearly, and nothing there is lost."""

from __future__ import annotations

import contextlib
import ftplib
import io
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ftps_sandbox import TDSP, Sandbox, running
from test_ftps_site import send_on
from waiting import until

from adapters.ftps import upload
from adapters.ftps.quota import InboxFullError, Quota
from adapters.ftps.upload import Upload

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
        until(lambda: sum(path.stat().st_size for path in folder.glob(".slow*")) > 600_000, "most of it is there")
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
        until(lambda: sum(path.stat().st_size for path in folder.iterdir()) > 1_150_000, "nearly all is there")
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


def side_by_side(upload: Callable[[int], None], sessions: int) -> None:
    threads = [threading.Thread(target=upload, args=(number,)) for number in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)


def test_many_at_once_never_exceed_the_quota(box: Sandbox) -> None:
    def upload(number: int) -> None:
        with box.login(TDSP) as client:
            try:
                answers.append(send_on(client, f"STOR /inbox/{number}", bytes(300_000)))
            except ftplib.error_perm as refused:
                answers.append(str(refused))

    answers: list[str] = []
    side_by_side(upload, 6)
    assert {answer[:3] for answer in answers} <= {"226", "552"}
    assert len(answers) == 6
    assert sum(contents(box).values()) <= BYTES
    assert not any(name.startswith(".") for name in os.listdir(box.home(TDSP) / "inbox"))


def scanning(monkeypatch: pytest.MonkeyPatch, folder: Path, meanwhile: Callable[[], None]) -> None:
    """Let *meanwhile* happen once, after the next listing of *folder* and before its files are looked at."""
    real = os.scandir
    left = [meanwhile]

    @contextlib.contextmanager
    def scandir(path: Path) -> Iterator[list[os.DirEntry[str]]]:
        with real(path) as entries:
            found = list(entries)
        if Path(path) == folder and left:
            left.pop()()
        yield found

    monkeypatch.setattr(os, "scandir", scandir)


def test_an_upload_that_gets_its_name_while_another_counts_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listing shows the hidden name, which is gone when its size is asked for: the file counted nowhere."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    quota = Quota(10, 1000)
    first, second = (Upload(inbox / name, 10_000, None, quota=quota) for name in ("first", "second"))
    first.write(bytes(600))
    first_has_counted, may_rename, threads = threading.Event(), threading.Event(), []
    real_publish = upload.publish

    def publish_when_told(temporary: Path, final: Path, **how: bool) -> None:
        if final.name == "first":
            first_has_counted.set()
            assert may_rename.wait(180)
        real_publish(temporary, final, **how)

    def end_first() -> None:
        first.publish()

    monkeypatch.setattr(upload, "publish", publish_when_told)
    threads = [threading.Thread(target=end_first)]
    threads[0].start()
    assert first_has_counted.wait(180)
    second.write(bytes(600))

    def rename_now() -> None:
        may_rename.set()
        threads[0].join(180)

    def end_second() -> None:
        with contextlib.suppress(OSError):
            second.publish()

    # without the lock the second counts now, and the first is renamed in the middle of it
    scanning(monkeypatch, inbox, rename_now)
    threads.append(threading.Thread(target=end_second))
    threads[1].start()
    until(lambda: may_rename.is_set() or waits_for_lock(tmp_path / ".inbox.lock"), "the rename waits, or is let")
    may_rename.set()
    for thread in threads:
        thread.join(180)
    assert second.refusal.startswith("552 The inbox may hold 1000 bytes")
    assert {path.name: path.stat().st_size for path in inbox.iterdir()} == {"first": 600}


def waits_for_lock(path: Path) -> bool:
    """Whether somebody waits for the lock on *path*, as the kernel tells."""
    number = path.stat().st_ino
    with Path("/proc/locks").open() as locks:
        return any("->" in line and f":{number} " in line for line in locks)


def test_uploads_begun_in_the_same_instant_never_are_more_than_the_files_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    quota = Quota(1, 1000)
    answers: list[str] = []

    def begin(name: str) -> None:
        try:
            begun = Upload(inbox / name, 10_000, None, quota=quota)
        except InboxFullError as full:
            answers.append(str(full)[:3])
        else:
            answers.append("begun")
            uploads.append(begun)

    uploads: list[Upload] = []
    other = threading.Thread(target=begin, args=("second",))

    def another_begins() -> None:
        other.start()
        until(lambda: bool(answers) or waits_for_lock(tmp_path / ".inbox.lock"), "the upload waits, or is answered")

    scanning(monkeypatch, inbox, another_begins)
    begin("first")
    other.join(180)
    for begun in uploads:
        begun.close()
    assert sorted(answers) == ["552", "begun"]


def test_an_upload_that_was_to_replace_a_file_is_no_way_round_the_number_of_files(box: Sandbox) -> None:
    with box.login(TDSP) as client, box.login(TDSP) as other:
        for number in range(FILES):
            client.storbinary(f"STOR /inbox/{number}", io.BytesIO(b"x"))
        replacing = other.transfercmd("STOR /inbox/0")
        client.rename("/inbox/0", "/inbox/moved")
        replacing.sendall(b"again")
        replacing.unwrap()
        replacing.close()
        with pytest.raises(ftplib.error_perm, match="552 The inbox holds 3 files, its limit"):
            other.voidresp()
    assert sorted(contents(box)) == ["1", "2", "moved"]


def test_many_at_once_are_never_more_files_than_the_quota(box: Sandbox) -> None:
    """Every session counts at the same instant."""
    ready = threading.Barrier(8)

    def upload(number: int) -> None:
        with box.login(TDSP) as client:
            ready.wait(180)
            try:
                answers.append(send_on(client, f"STOR /inbox/{number}", b"x"))
            except ftplib.error_perm as refused:
                answers.append(str(refused))

    answers: list[str] = []
    side_by_side(upload, 8)
    assert sorted(answer[:3] for answer in answers) == ["226"] * FILES + ["552"] * 5
    assert len(contents(box)) == FILES


@pytest.mark.parametrize("command", ["APPE /inbox/kept", "STOU"])
def test_no_other_command_adds_to_an_inbox(box: Sandbox, command: str) -> None:
    with box.login(TDSP) as client:
        client.storbinary("STOR /inbox/kept", io.BytesIO(b"x"))
        with pytest.raises(ftplib.error_perm, match=r"^50"):
            client.transfercmd(command)
        client.sendcmd("REST 1")
        with pytest.raises(ftplib.error_perm, match="501 REST is not accepted for uploads"):
            client.sendcmd("STOR /inbox/kept")
    assert contents(box) == {"kept": 1}
