"""`smt-ws serve` keeps its processes alive, drains them, and takes them with it when it is killed."""

import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow

# A supervisor over processes of this test: each "role" is a Python program instead of an smt-ws command.
PROGRAM = """
import sys
from smt_ws.serve import supervisor as s
from smt_ws.serve.logs import start_logging
start_logging('supervisor')
children = sys.argv[1:]
real = s.subprocess.Popen
def popen(command, **options):
    return real([sys.executable, '-c', children[int(command[-1])]], **options)
s.subprocess.Popen = popen
sys.exit(s.Supervisor([s.Role(str(n), (str(n),)) for n in range(len(children))], drain_seconds=5).run())
"""
CHILD = """
import os, signal, sys, time
from smt_ws.serve import lifeline
def stop(*_):
    print('drained', flush=True)
    sys.exit(0)
def ignore(*_):
    print('told', flush=True)
signal.signal(signal.SIGTERM, {handler})
lifeline.follow()
print('pid', os.getpid(), flush=True)
while True:
    time.sleep(0.05)
"""
GOOD = CHILD.format(handler="stop")
STUBBORN = CHILD.format(handler="ignore")


class Supervised:
    def __init__(self, *children):
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *children], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def line(self) -> str:
        return self.process.stdout.readline().strip()

    def pid(self) -> int:
        word, number = self.line().split()
        assert word == "pid"
        return int(number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def gone(pid: int, within: float = 180) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            with open(f"/proc/{pid}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_the_first_sigterm_drains():
    with Supervised(GOOD) as supervised:
        supervised.pid()
        supervised.process.terminate()
        assert supervised.line() == "drained"
        assert supervised.process.wait(180) == 0


def test_the_second_sigterm_aborts():
    with Supervised(STUBBORN) as supervised:
        pid = supervised.pid()
        supervised.process.terminate()
        assert supervised.line() == "told"  # so it drains: signals that come at once would count as one
        assert supervised.process.poll() is None
        supervised.process.terminate()
        assert supervised.process.wait(180) == 1
        assert gone(pid)


def test_a_killed_process_is_started_again():
    with Supervised(GOOD) as supervised:
        first = supervised.pid()
        os.kill(first, signal.SIGKILL)
        assert supervised.pid() != first


def test_processes_do_not_outlive_a_killed_supervisor():
    with Supervised(GOOD, GOOD) as supervised:
        pids = [supervised.pid(), supervised.pid()]
        supervised.process.kill()
        assert all(gone(pid) for pid in pids)
