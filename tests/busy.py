"""Runs the tests several times on a machine that is made busy, and slow, on purpose.

`make test-busy` calls it: LOOPS endless loops run beside the tests, and with SLOW=1 each core also
works for them half of the time only. For that a process for each core, bound to it and of a
real-time priority, takes 10 ms out of 20 ms; without the right to such a priority it fails.
Everything that this starts ends with it.
"""

import os
import signal
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import takewhile

from tests import children

LOOP = "while True: pass"
SLICE_S = 0.01
SLOWER = f"""
import os, time
os.sched_setaffinity(0, [{{core}}])
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
print("slows", flush=True)
while True:
    until = time.monotonic() + {SLICE_S}
    while time.monotonic() < until:
        pass
    time.sleep({SLICE_S})
"""


def tested(arguments: Sequence[str]) -> bool:
    """Run the tests once, and say how long that took."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", *arguments]
    with children.popen(command) as process:
        status = process.wait()
    print(f"busy: exit status {status} after {time.monotonic() - began:.0f} s", flush=True)
    return status == 0


def main(arguments: Sequence[str]) -> int:
    """Run the tests until they fail, at most so many times; returns 0 if all runs passed."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--loops", type=int, default=6)
    parser.add_argument("--slow", action="store_true")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all contexts are left
    options, for_pytest = parser.parse_known_args(arguments)
    with ExitStack() as beside:
        for _ in range(options.loops):
            beside.enter_context(children.popen([sys.executable, "-c", LOOP]))
        for core in os.sched_getaffinity(0) if options.slow else ():
            command = [sys.executable, "-c", SLOWER.format(core=core)]
            slower = beside.enter_context(children.popen(command, stdout=-1))
            assert slower.stdout is not None
            assert slower.stdout.readline(), "needs the right to a real-time priority"
        passed = [*takewhile(bool, (tested(for_pytest) for _ in range(options.runs)))]
    print(f"busy: {len(passed)} of {options.runs} runs passed, {options.loops} loops beside them")
    return 0 if len(passed) == options.runs else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
