"""U2: plain content that a killed process left is removed by the next one, and never that of a process at work."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from adapters.scratch_folder import scratch_folder, sweep_scratch


class Holder:
    """A process that holds a scratch folder with plain content until it is killed."""

    def __init__(self, parent: Path) -> None:
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            with scratch_folder(parent) as folder:
                (folder / "plain").write_text("a customer's usage")
                os.write(writing, folder.name.encode())
                while True:
                    time.sleep(600)
        os.close(writing)
        self.folder = parent / os.read(reading, 100).decode()
        os.close(reading)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def test_what_a_killed_process_left_is_removed_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    dead, living = Holder(tmp_path), Holder(tmp_path)
    try:
        dead.kill()
        assert (dead.folder / "plain").exists()
        with scratch_folder(tmp_path) as own:
            assert not dead.folder.exists()
            assert sorted(tmp_path.iterdir()) == sorted([own, living.folder])
            assert sweep_scratch(tmp_path) == [], "two threads of one process keep apart too"
    finally:
        living.kill()
    assert sweep_scratch(tmp_path) == [living.folder]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_gone_at_the_end_whatever_happened(tmp_path: Path) -> None:
    def fail() -> None:
        with scratch_folder(tmp_path / "new") as folder:
            (folder / "plain").write_text("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list((tmp_path / "new").iterdir()) == []


def test_one_left_before_it_was_locked_and_other_files_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / ".scratch-0123").mkdir()
    (tmp_path / ".scratch-file").write_text("x")
    (tmp_path / "other").mkdir()
    assert sweep_scratch(tmp_path) == [tmp_path / ".scratch-0123"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".scratch-file", "other"]


def test_many_that_begin_and_sweep_at_once_never_lose_theirs(tmp_path: Path) -> None:
    lost: list[Path] = []

    def work() -> None:
        for _ in range(60):
            with scratch_folder(tmp_path) as folder:
                (folder / "plain").write_text("x")
                sweep_scratch(tmp_path)
                if not (folder / "plain").exists():
                    lost.append(folder)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lost == []
    assert list(tmp_path.iterdir()) == []
