"""U2: a TDSP uploads under a temporary name and renames; a session renames its own uploads and nothing else."""

from __future__ import annotations

import ftplib
import io
import os
import stat
from pathlib import Path

import pytest
from ftps_sandbox import REQUESTER, TDSP, Sandbox, running

from adapters.upload_names import looks_temporary, may_be_named

TEMPORARY = ["a.lse.filepart", "a.lse.1a2b3c4d.partial", "a.part", ".in.a.lse", "a.TMP", "a.temp", "a.uploading"]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    with running(tmp_path_factory.mktemp("ftps")) as box:
        with box.login(TDSP), box.login(REQUESTER):
            pass
        yield box


@pytest.fixture
def inbox(sandbox: Sandbox) -> Path:
    folder = sandbox.home(TDSP) / "inbox"
    for path in folder.iterdir():
        path.unlink()
    return folder


def store(client: ftplib.FTP_TLS, name: str, content: bytes = b"whole") -> None:
    client.storbinary(f"STOR /inbox/{name}", io.BytesIO(content))


@pytest.mark.parametrize("name", TEMPORARY)
def test_what_looks_temporary_is_stored_listed_and_renamed_by_any_session_of_its_company(
    sandbox: Sandbox, inbox: Path, name: str
) -> None:
    with sandbox.login(TDSP) as client:
        store(client, name)
        assert client.nlst("/inbox") == [name]
    with sandbox.login(TDSP) as another:
        another.cwd("/inbox")
        another.rename(name, "a.lse")
    assert {path.name: path.read_bytes() for path in inbox.iterdir()} == {"a.lse": b"whole"}


@pytest.mark.parametrize("name", [".hidden", ".a.lse.0123456789ab.part", ".in.a.part", "..", "n" * 256, "é" * 128])
def test_no_other_hidden_name_and_none_too_long_can_be_stored_or_given(
    sandbox: Sandbox, inbox: Path, name: str
) -> None:
    with sandbox.login(TDSP) as client:
        with pytest.raises(ftplib.error_perm, match="550"):
            store(client, name)
        store(client, "a.tmp")
        with pytest.raises(ftplib.error_perm, match="550"):
            client.rename("/inbox/a.tmp", f"/inbox/{name}")
        assert client.pwd() == "/"
    assert os.listdir(inbox) == ["a.tmp"]


def test_a_session_renames_its_own_upload_and_not_one_of_before(sandbox: Sandbox, inbox: Path) -> None:
    with sandbox.login(TDSP) as client:
        store(client, "own.lse")
        client.rename("/inbox/own.lse", "/inbox/better.lse")
        client.rename("/inbox/better.lse", "/inbox/best.lse")
    with sandbox.login(TDSP) as another, pytest.raises(ftplib.error_perm, match="550 Only an upload of this session"):
        another.rename("/inbox/best.lse", "/inbox/stolen.lse")
    assert os.listdir(inbox) == ["best.lse"]


def test_a_file_that_took_the_place_of_an_own_upload_is_not_the_sessions(sandbox: Sandbox, inbox: Path) -> None:
    with sandbox.login(TDSP) as client, sandbox.login(TDSP) as another:
        store(client, "a.lse", b"first")
        store(another, "a.lse", b"second")
        with pytest.raises(ftplib.error_perm, match="550 Only"):
            client.rename("/inbox/a.lse", "/inbox/b.lse")
    assert (inbox / "a.lse").read_bytes() == b"second"


def test_a_file_that_was_taken_in_meanwhile_is_said_to_be(sandbox: Sandbox, inbox: Path) -> None:
    with sandbox.login(TDSP) as client:
        store(client, "a.lse")
        (inbox / "a.lse").unlink()
        with pytest.raises(ftplib.error_perm, match="550 No such file: it may have been taken in"):
            client.rename("/inbox/a.lse", "/inbox/b.lse")
        store(client, "a.tmp")
        client.sendcmd("RNFR /inbox/a.tmp")
        (inbox / "a.tmp").unlink()
        with pytest.raises(ftplib.error_perm, match="550"):
            client.sendcmd("RNTO /inbox/b.lse")


def test_a_renamed_file_replaces_an_earlier_one_of_that_name_as_an_upload_does(sandbox: Sandbox, inbox: Path) -> None:
    with sandbox.login(TDSP) as client:
        store(client, "a.lse", b"old")
        store(client, "a.lse.filepart", b"new")
        client.rename("/inbox/a.lse.filepart", "/inbox/a.lse")
    assert {path.name: path.read_bytes() for path in inbox.iterdir()} == {"a.lse": b"new"}


@pytest.mark.parametrize("target", ["/reports/a", "/adhoc/a", "/a", "/inbox", "/other/a", "../../x", "/inbox/sub/a"])
def test_a_file_stays_in_its_folder(sandbox: Sandbox, inbox: Path, target: str) -> None:
    with sandbox.login(TDSP) as client:
        store(client, "a.tmp")
        with pytest.raises(ftplib.error_perm, match=r"^55[03]"):
            client.rename("/inbox/a.tmp", target)
    assert os.listdir(inbox) == ["a.tmp"]


def test_rnto_without_rnfr_and_links_and_folders_are_refused(sandbox: Sandbox, inbox: Path) -> None:
    (inbox / "link.tmp").symlink_to("/etc/passwd")
    with sandbox.login(TDSP) as client:
        for command in ("RNTO /inbox/x", "RNFR /inbox/link.tmp", "RNFR /inbox", "RNFR /inbox/none.tmp"):
            with pytest.raises(ftplib.error_perm, match=r"^5"):
                client.sendcmd(command)
    assert stat.S_ISLNK((inbox / "link.tmp").lstat().st_mode)


def test_only_temporary_uploads_are_deleted_from_an_inbox(sandbox: Sandbox, inbox: Path) -> None:
    with sandbox.login(TDSP) as client:
        store(client, "a.lse")
        store(client, "a.lse.filepart")
        client.delete("/inbox/a.lse.filepart")
        with pytest.raises(ftplib.error_perm, match="550"):
            client.delete("/inbox/a.lse")
    assert os.listdir(inbox) == ["a.lse"]


def test_names_as_functions() -> None:
    assert all(looks_temporary(name) and may_be_named(name) for name in TEMPORARY)
    assert not any(map(looks_temporary, ("a.lse", ".hidden", ".a.lse.0123.part", "part", "a.lse.asc", "filepart.lse")))
    assert not any(map(may_be_named, (".hidden", ".a.part", ".in.a.part", "a\tb", "\udcff", "n" * 256)))
    assert may_be_named("é" * 127)
    assert looks_temporary("A.XFER", ("*.xfer",))
    assert not may_be_named(".in.a", ())
