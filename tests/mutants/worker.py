"""A process that runs tests against the tree it stands in, a fork for each run.

`python -m tests.mutants.worker`, with the tree as its folder, reads one request a line and prints
one outcome a line, both JSON. Before the first, it imports what song_mcp and its tests import from
others; each fork then imports only what may be mutated, which saves most of a run's time.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Literal

import pytest

Outcome = Literal["passed", "failed", "timed out"]

OURS = ("song_mcp", "tests", "__main__", "__mp_main__")
WARM = ("song_mcp.compose", "song_mcp.server.app", "tests.conftest")
OPTIONS = (
    *("-x", "-q", "--tb=short", "--no-header", "--rootdir=.", "--basetemp=../files"),
    *("-p", "no:cacheprovider", "-p", "no:xdist", "-o", "faulthandler_timeout=0"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # plugins are imported before pytest runs
)
LOG = Path("../log")


def main() -> None:
    """Answer requests until stdin ends."""
    _import_what_is_not_ours()
    for line in sys.stdin:
        tests, limit_s = json.loads(line)
        print(json.dumps(outcome(tests, limit_s)), flush=True)  # noqa: T201 - the answer


def outcome(tests: Sequence[str], limit_s: float) -> Outcome:
    """Run tests, the first failure being the last; what they leave running is ended too."""
    child = os.fork()
    if not child:
        _run(tests)
    try:
        ended = _status(child, time.monotonic() + limit_s)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    if ended is None:
        os.waitpid(child, 0)
        return "timed out"
    return "failed" if ended else "passed"


def _run(tests: Sequence[str]) -> None:
    """Be the child: a group of its own, so that its children end with it."""
    code = 1
    try:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        code = int(pytest.main([*OPTIONS, *tests]))
    finally:
        sys.stdout.flush()  # to the log, which the end of this process would not write
        os._exit(code)


def _status(child: int, until: float) -> int | None:
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.01)
    return None


def _import_what_is_not_ours() -> None:
    """Import here what a fork that imports song_mcp and the tests got from elsewhere."""
    reading, writing = os.pipe()
    if not os.fork():
        sys.path.insert(0, ".")
        for name in WARM:
            import_module(name)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # which is for answers
        pytest.main([*OPTIONS, "--collect-only", "tests/test_text.py"])  # what its plugins import
        os.write(writing, json.dumps(list(sys.modules)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as found:
        names = json.load(found)
    os.wait()
    for name in names:  # in their order: some may not be imported before others
        if name.partition(".")[0] not in OURS:
            with suppress(ImportError):
                import_module(name)


if __name__ == "__main__":
    main()
