"""R7, P4: programs that are not ours fetch, decrypt and open what the hub delivers, and leave files in an inbox."""

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))  # the site on loopback is shared with the tests there
from ftps_sandbox import OTHER, PASSWORD, REQUESTER, TDSP, Sandbox, running
from waiting import PATIENCE, until

from adapters.openpgp import encrypt_file
from adapters.packing import pack
from adapters.publishing import publish, temporary_name

pytestmark = pytest.mark.interop
CSV = b"ESIID,USAGE_DATE\r\n" + b"".join(b"10443720000%06d,11/20/2026\r\n" % row for row in range(60_000))


def program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        if os.environ.get("SMT_WS_REQUIRE_INTEROP") == "1":
            pytest.fail(f"{name} is not installed, and SMT_WS_REQUIRE_INTEROP=1 asks for it")
        pytest.skip(f"{name} is not installed; this test drives it")
    return found


def run(*args: str | Path, seconds: float = PATIENCE, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(arg) for arg in args], capture_output=True, text=True, timeout=seconds, **options)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    with running(tmp_path_factory.mktemp("ftps"), alertless_pause=1) as box:
        with box.login(REQUESTER), box.login(TDSP):
            pass
        yield box


def curl(box: Sandbox, user: str, *args: str | Path, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    pem = box.pems[user]
    return run(
        program("curl"), "--silent", "--show-error", "--ssl-reqd", "--ftp-pasv", "--cacert", box.authority.file,
        "--cert", pem.certificate, "--key", pem.key, "--user", f"{user}:{password}", *args,
    )  # fmt: skip


def url(box: Sandbox, path: str) -> str:
    return f"ftp://localhost:{box.site.address[1]}{path}"


@pytest.mark.parametrize("version", [(), ("--tls-max", "1.2")], ids=["TLS 1.3", "TLS 1.2"])
def test_curl_lists_fetches_and_deletes(sandbox: Sandbox, tmp_path: Path, version: tuple[str, ...]) -> None:
    content = os.urandom(2_000_000)
    (sandbox.home(REQUESTER) / "adhoc" / "c.asc").write_bytes(content)
    listed = curl(sandbox, REQUESTER, *version, "--list-only", url(sandbox, "/adhoc/"))
    assert (listed.returncode, listed.stdout.split()) == (0, ["c.asc"]), listed.stderr
    fetched = curl(sandbox, REQUESTER, *version, "--output", tmp_path / "c", url(sandbox, "/adhoc/c.asc"))
    assert fetched.returncode == 0, fetched.stderr
    assert (tmp_path / "c").read_bytes() == content
    gone = curl(sandbox, REQUESTER, *version, "--quote", "DELE /adhoc/c.asc", "--list-only", url(sandbox, "/adhoc/"))
    assert (gone.returncode, gone.stdout) == (0, ""), gone.stderr


@pytest.mark.parametrize("version", [(), ("--tls-max", "1.2")], ids=["TLS 1.3", "TLS 1.2"])
def test_curl_stores_in_the_inbox(sandbox: Sandbox, tmp_path: Path, version: tuple[str, ...]) -> None:
    (tmp_path / "u").write_bytes(CSV)
    stored = curl(sandbox, TDSP, *version, "--upload-file", tmp_path / "u", url(sandbox, "/inbox/curl.lse"))
    assert stored.returncode == 0, stored.stderr
    assert (sandbox.home(TDSP) / "inbox" / "curl.lse").read_bytes() == CSV


def test_curl_with_a_wrong_password_or_without_tls_is_refused(sandbox: Sandbox) -> None:
    assert curl(sandbox, REQUESTER, url(sandbox, "/adhoc/"), password="wrong").returncode == 67
    plain = run(program("curl"), "--silent", "--user", f"{REQUESTER}:{PASSWORD}", url(sandbox, "/adhoc/"))
    assert plain.returncode == 67


def lftp_line(box: Sandbox, user: str, commands: str) -> list[str]:
    pem = box.pems[user]
    script = (
        f"set ftp:ssl-force true; set ftp:ssl-protect-data true; set ssl:ca-file {box.authority.file}; "
        f"set ssl:cert-file {pem.certificate}; set ssl:key-file {pem.key}; set net:max-retries 1; set net:timeout 10; "
        f'set cmd:fail-exit true; open -u "{user},{PASSWORD}" -p {box.site.address[1]} localhost; {commands}; bye'
    )
    return [program("lftp"), "--norc", "-c", script]


def lftp(box: Sandbox, user: str, commands: str, seconds: float = PATIENCE) -> subprocess.CompletedProcess[str]:
    return run(*lftp_line(box, user, commands), seconds=seconds)


def test_lftp_mirrors_a_folder_and_deletes(sandbox: Sandbox, tmp_path: Path) -> None:
    contents = {f"l{number}.asc": os.urandom(300_000) for number in range(3)}
    for name, content in contents.items():
        (sandbox.home(REQUESTER) / "daily" / name).write_bytes(content)
    got = lftp(sandbox, REQUESTER, f"mirror /daily {tmp_path}/m; cd /daily; mrm l*.asc; cls")
    assert got.returncode == 0, got.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()} == contents
    assert os.listdir(sandbox.home(REQUESTER) / "daily") == []


def test_lftp_stores_large_files_in_the_inbox(sandbox: Sandbox, tmp_path: Path) -> None:
    """lftp 4.9 drops TLS's closing alert while its socket is full; it has announced the size before (ALLO)."""
    (tmp_path / "u").write_bytes(CSV * 20)
    for round_ in range(2):
        done = lftp(sandbox, TDSP, f"put -O /inbox {tmp_path}/u -o lftp{round_}.lse", seconds=180)
        assert done.returncode == 0, done.stderr
        assert (sandbox.home(TDSP) / "inbox" / f"lftp{round_}.lse").read_bytes() == CSV * 20


def test_lftp_stores_large_files_without_announcing_their_size(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "u").write_bytes(CSV * 20)
    done = lftp(sandbox, TDSP, f"set ftp:use-allo false; put -O /inbox {tmp_path}/u -o quiet.lse", seconds=180)
    assert done.returncode == 0, done.stderr
    assert (sandbox.home(TDSP) / "inbox" / "quiet.lse").read_bytes() == CSV * 20


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("announce", ["true", "false"])
def test_the_part_of_a_killed_lftp_never_appears(
    sandbox: Sandbox, tmp_path: Path, number: signal.Signals, announce: str
) -> None:
    inbox = sandbox.home(TDSP) / "inbox"
    (tmp_path / "u").write_bytes(CSV * 20)
    command = (
        f"set ftp:use-allo {announce}; set net:limit-total-rate 500000; put -O /inbox {tmp_path}/u -o k{number}.lse"
    )
    victim = subprocess.Popen(lftp_line(sandbox, TDSP, command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def parts() -> list[int]:
        return [path.stat().st_size for path in inbox.glob(f".k{number}.lse*")]

    until(lambda: any(size > 0 for size in parts()), "a part has come")
    victim.send_signal(number)
    if number != signal.SIGKILL:
        time.sleep(0.3)
        victim.kill()  # the terminal's signals make it go on in the background
    victim.wait(180)
    time.sleep(1.5)  # longer than the pause
    assert [name for name in os.listdir(inbox) if f"k{number}" in name] == []


def test_a_delivery_fetched_with_ftplib_is_opened_by_gpg_and_unzip(sandbox: Sandbox, tmp_path: Path) -> None:
    """The whole way of a report: zip, OpenPGP, published, fetched, decrypted by gpg, opened by unzip."""
    gpg, unzip = program("gpg"), program("unzip")
    home = tmp_path / "g"
    home.mkdir(mode=0o700)
    environment = {**os.environ, "GNUPGHOME": str(home)}
    quiet = (gpg, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "")
    made = run(*quiet, "--quick-gen-key", "files@rep.example", "rsa2048", "sign,encrypt", "never", env=environment)
    assert made.returncode == 0, made.stderr
    certificate = run(*quiet, "--armor", "--export", "files@rep.example", env=environment).stdout

    name = "IntervalMeterUsage20261122041500123" + "0" * 32 + f".CSV.{OTHER}.asc"
    with sandbox.login(OTHER) as client:
        final = sandbox.home(OTHER) / "adhoc" / name
        zipped, temporary = tmp_path / "part.zip", temporary_name(final)
        with zipped.open("wb") as out:
            pack([CSV], name.partition(".")[0] + ".CSV", datetime(2026, 11, 22, 4, 15, tzinfo=UTC), out)
        encrypt_file(zipped, temporary, certificate, now=datetime.now(UTC))
        assert client.nlst("/adhoc") == []
        publish(temporary, final)
        assert client.nlst("/adhoc") == [name]
        got = io.BytesIO()
        client.retrbinary(f"RETR /adhoc/{name}", got.write)
    (tmp_path / "d.asc").write_bytes(got.getvalue())
    opened = run(*quiet, "--output", tmp_path / "d.zip", "--decrypt", tmp_path / "d.asc", env=environment)
    subprocess.run(["gpgconf", "--kill", "all"], env=environment, timeout=180)
    assert opened.returncode == 0, opened.stderr
    assert subprocess.run([unzip, "-p", tmp_path / "d.zip"], capture_output=True, timeout=180).stdout == CSV


PAGE = Path(__file__).parents[2] / "docs" / "tdsp-uploads.md"


def told_to(box: Sandbox, language: str, folder: Path) -> str:
    """The commands of the page's block in this language, with this site's names in the place of the page's."""
    block = PAGE.read_text().partition(f"```{language}\n")[2].partition("```")[0]
    pem = box.pems[TDSP]
    for name, value in {
        "hub-ca.crt": box.authority.file,
        "tdsp.crt": pem.certificate,
        "tdsp.key": pem.key,
        "DUNS": TDSP,
        "PASSWORD": PASSWORD,
        "PORT": box.site.address[1],
    }.items():
        assert name in block, f"the page no longer names {name}"
        block = block.replace(name, str(value))
    for name in ("first.lse", "second.lse", "third.lse"):
        (folder / name).write_bytes(name.encode() * 1000)
    return block


def test_the_page_for_tdsps_can_be_followed_with_lftp(sandbox: Sandbox, tmp_path: Path) -> None:
    script = "set net:max-retries 1; set net:timeout 10; set cmd:fail-exit true\n" + told_to(sandbox, "lftp", tmp_path)
    (tmp_path / "script").write_text(script)
    done = run(program("lftp"), "--norc", "-f", tmp_path / "script", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"/inbox/first.lse", "/inbox/second.lse"} <= set(done.stdout.split())
    inbox = sandbox.home(TDSP) / "inbox"
    for name in ("first.lse", "second.lse"):
        assert (inbox / name).read_bytes() == name.encode() * 1000
    assert list(inbox.glob("*.filepart")) == []


def test_the_page_for_tdsps_can_be_followed_with_curl(sandbox: Sandbox, tmp_path: Path) -> None:
    program("curl")
    done = run("sh", "-c", told_to(sandbox, "sh", tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (sandbox.home(TDSP) / "inbox" / "third.lse").read_bytes() == b"third.lse" * 1000


@pytest.mark.parametrize("pattern", [".in.*", "*.filepart", "*.partial", "*.tmp"])
def test_lftp_uploads_large_files_under_a_temporary_name_and_renames(
    sandbox: Sandbox, tmp_path: Path, pattern: str
) -> None:
    for number in range(3):
        (tmp_path / f"t{number}.lse").write_bytes(CSV * 5)
    setting = f"set xfer:use-temp-file yes; set xfer:temp-file-name {pattern}"
    done = lftp(sandbox, TDSP, f"{setting}; lcd {tmp_path}; mput -O /inbox t0.lse t1.lse t2.lse; put -O /inbox t0.lse")
    assert done.returncode == 0, done.stderr
    inbox = sandbox.home(TDSP) / "inbox"
    for number in range(3):
        assert (inbox / f"t{number}.lse").read_bytes() == CSV * 5
        (inbox / f"t{number}.lse").unlink()
    assert not any("t0.lse" in path.name for path in inbox.iterdir())
