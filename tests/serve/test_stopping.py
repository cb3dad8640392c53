"""A process of the hub ends at SIGTERM, at whatever its main thread is when it comes."""

import signal
import subprocess
import sys

import pytest

# The signal comes while the lock is held that `Event.wait` and `Event.set` take, or that `Thread.start` takes.
PROGRAM = """
import os, signal, threading
from smt_ws.serve.stopping import on_stop, stop_event
stop = stop_event() if {waits} else threading.Event()
if not {waits}:
    on_stop(lambda: threading.Thread(target=stop.set).start())
with {lock}:
    os.kill(os.getpid(), {number})
    sum(range(10_000))
assert stop.wait(100)
print("stopped")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("waits", "lock"), [(True, "stop._cond"), (False, "threading._active_limbo_lock")])
def test_a_signal_in_the_instant_in_which_a_lock_is_held_stops_the_process(
    number: signal.Signals, waits: bool, lock: str
) -> None:
    program = PROGRAM.format(number=int(number), waits=waits, lock=lock)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout.strip(), done.returncode) == ("stopped", 0), done.stderr


def test_a_second_signal_ends_the_process_at_once() -> None:
    program = """
import os, signal, time
from smt_ws.serve.stopping import on_stop
on_stop(lambda: time.sleep(600))
for _ in range(2):
    os.kill(os.getpid(), signal.SIGTERM)
    sum(range(10_000))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=120, check=False)
    assert done.returncode == 128 + signal.SIGTERM
