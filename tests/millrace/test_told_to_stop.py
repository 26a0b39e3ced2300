"""A process that learns finishes what it has begun when it is told to stop, but not for ever."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

STUBBORN = """
import threading
from millrace.told_to_stop import told_to_stop
stop = told_to_stop({within})
print("ready", flush=True)
stop.wait(60)
print("told", flush=True)
threading.Event().wait(60)
"""

INTERRUPTED = """
import signal
from millrace.told_to_stop import told_to_stop
stop = told_to_stop()
with stop._cond:  # as a wait for it does, for a moment, whenever it ends
    signal.raise_signal(signal.SIGTERM)
assert stop.wait(5)
"""


def stubborn(within: int) -> subprocess.Popen[str]:
    """A process that goes on although it was told to stop."""
    command = [sys.executable, "-c", STUBBORN.format(within=within)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_same_signal_once_more_ends_it_at_once(number: signal.Signals) -> None:
    with stubborn(within=0) as process:
        process.send_signal(number)
        assert process.stdout is not None
        assert process.stdout.readline() == "told\n"
        process.send_signal(number)
        assert process.wait(5) == -number


def test_a_supervisors_signal_after_ctrl_c_is_no_second_one() -> None:
    with stubborn(within=0) as process:
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.readline() == "told\n"
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.kill()


def test_it_ends_in_time_whatever_it_waits_for() -> None:
    with stubborn(within=1) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == -signal.SIGALRM


def test_a_signal_in_the_midst_of_a_wait_does_not_hold_it_up_for_ever() -> None:
    assert subprocess.run([sys.executable, "-c", INTERRUPTED], timeout=20, check=False).returncode == 0
