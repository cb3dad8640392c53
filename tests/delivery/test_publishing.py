"""R7, R10: a file is seen by the client only when it is whole, whatever dies on the way."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters import publishing
from adapters.publishing import NotATemporaryNameError, is_temporary, publish, sweep, temporary_name


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


@pytest.fixture
def part(tmp_path: Path) -> tuple[Path, Path]:
    final = tmp_path / "IntervalMeterUsage.CSV.1039940674000.asc"
    temporary = temporary_name(final)
    temporary.write_bytes(b"all of it")
    return temporary, final


def test_temporary_names_are_hidden_unlike_each_other_and_fit_any_file_system(tmp_path: Path) -> None:
    for name in ("a.asc", "x" * 255, "é" * 127):
        first, second = temporary_name(tmp_path / name), temporary_name(tmp_path / name)
        assert first != second
        assert first.parent == tmp_path
        assert is_temporary(first.name)
        assert len(first.name.encode()) <= 255


def test_a_published_file_is_whole_and_its_temporary_is_gone(part) -> None:
    temporary, final = part
    final.write_bytes(b"an earlier delivery")
    publish(temporary, final)
    assert final.read_bytes() == b"all of it"
    assert [path.name for path in final.parent.iterdir()] == [final.name]


def test_content_is_durable_before_the_name_and_the_name_before_return(part, monkeypatch) -> None:
    temporary, final = part
    steps: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        steps.append("fsync " + Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        real_fsync(handle)

    def replace(self: Path, target: Path) -> Path:
        steps.append("rename")
        return real_replace(self, target)

    monkeypatch.setattr(publishing.os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    publish(temporary, final)
    assert steps == [f"fsync {temporary.name}", "rename", f"fsync {final.parent.name}"]


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_a_failing_disk_never_leaves_half_a_file_visible(part, monkeypatch, fails_at: int) -> None:
    temporary, final = part
    calls = 0

    def failing(real):
        def call(*args):
            nonlocal calls
            calls += 1
            if calls == fails_at:
                raise OSError(5, "Input/output error")
            return real(*args)

        return call

    monkeypatch.setattr(publishing.os, "fsync", failing(os.fsync))
    monkeypatch.setattr(Path, "replace", failing(Path.replace))
    with pytest.raises(OSError, match="Input/output"):
        publish(temporary, final)
    if fails_at < 3:
        assert visible(final.parent) == []
    else:
        assert final.read_bytes() == b"all of it"


def test_who_takes_over_leaves_others_nothing_to_publish(part) -> None:
    temporary, final = part
    late, another = temporary_name(final), temporary_name(final.with_name("Another.asc"))
    for path in (late, another, final):
        path.write_bytes(b"of " + path.name.encode())
    publishing.discard_temporaries(final)
    assert not temporary.exists()
    with pytest.raises(FileNotFoundError):
        publish(late, final)
    assert final.read_bytes() == b"of " + final.name.encode()
    assert another.exists()
    publishing.discard_temporaries(final.parent / "nowhere" / "a.asc")


def test_names_that_would_not_be_atomic_or_would_stay_hidden_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for temporary, final in [
        (tmp_path / "a.part", tmp_path / "a"),
        (tmp_path / ".a", tmp_path / "a"),
        (other / ".a.part", tmp_path / "a"),
        (tmp_path / ".a.part", tmp_path / ".a"),
    ]:
        temporary.write_bytes(b"x")
        with pytest.raises(NotATemporaryNameError):
            publish(temporary, final)
        assert temporary.read_bytes() == b"x"


def test_sweep_removes_only_old_left_overs(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    old = (now - timedelta(hours=2)).timestamp()
    for name in (".old.part", ".new.part", "kept.asc", ".kept", "kept.part"):
        (tmp_path / name).write_bytes(b"x")
        if name != ".new.part":
            os.utime(tmp_path / name, (old, old))
    (tmp_path / ".folder.part").mkdir()
    (tmp_path / ".link.part").symlink_to(tmp_path / "kept.asc")
    assert sweep(tmp_path, now - timedelta(hours=1)) == [tmp_path / ".old.part"]
    assert sorted(os.listdir(tmp_path)) == sorted(
        [".new.part", "kept.asc", ".kept", "kept.part", ".folder.part", ".link.part"]
    )


WRITER = """
import sys
from pathlib import Path
from adapters.publishing import publish, temporary_name
folder = Path(sys.argv[1])
for number in range(1_000_000):
    final = folder / f"{number:06}.asc"
    temporary = temporary_name(final)
    with temporary.open("wb") as out:
        for _ in range(8):
            out.write(bytes(8192)); out.flush()
    publish(temporary, final)
    print(number, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("wait", [0.0, 0.013, 0.05, 0.111])
def test_kill_9_in_the_middle_leaves_whole_files_only_and_none_that_was_announced_is_lost(tmp_path, wait) -> None:
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    announced = [int(child.stdout.readline())]
    time.sleep(wait)
    os.kill(child.pid, signal.SIGKILL)
    announced += [int(line) for line in child.stdout.read().splitlines() if line]
    child.wait(180)
    child.stdout.close()
    names = visible(tmp_path)
    assert {(tmp_path / name).stat().st_size for name in names} == {8 * 8192}
    assert {f"{number:06}.asc" for number in announced} <= set(names)
    sweep(tmp_path, datetime.now(UTC) + timedelta(seconds=1))
    assert sorted(os.listdir(tmp_path)) == names
