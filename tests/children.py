"""The processes that tests start: each belongs to a context, and is gone when that is left.

Whatever happened inside (a failure, a cancellation, the limit of the test), leaving the context
closes the pipes to the child, then sends SIGTERM, then SIGKILL, each by the child's own id and with
time to end. It is shielded from cancellation, and each step has a bound. The one other context that
does this, in the same order, is the SDK's `stdio_client`. `tests.forks` starts servers faster.
"""

import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import AsyncResource, Process

from tests.limits import PATIENCE_S

_alive: set[Process | subprocess.Popen[Any]] = set()


@asynccontextmanager
async def process(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int | None = subprocess.PIPE,
    stdout: int | None = subprocess.PIPE,
    stderr: Any = subprocess.PIPE,  # noqa: ANN401 - a number or a file, as `subprocess` takes it
) -> AsyncIterator[Process]:
    """Run a command while the context lasts."""
    started = await anyio.open_process(
        command, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr
    )
    async with ended_with(started):
        yield started


@asynccontextmanager
async def ended_with(started: Process) -> AsyncIterator[None]:
    """End a process with the context, however it was started."""
    _alive.add(started)
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await _end(started)


@contextmanager
def popen(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:  # noqa: ANN401
    """Run a command while the context lasts, without an event loop; options as of `Popen`."""
    started = subprocess.Popen(command, **options)
    _alive.add(started)
    try:
        yield started
    finally:
        _end_plainly(started)


def run(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[Any]:  # noqa: ANN401
    """Run a command to its end, without an event loop; options as of `subprocess.run`.

    The limit of the test bounds it: what that raises kills the command.

    Raises:
        subprocess.CalledProcessError: it failed, and `check` was not set to False.
    """
    check = options.pop("check", True)
    return subprocess.run(command, check=check, **options)


async def output_of(
    command: Sequence[str],
    *,
    sent: bytes = b"",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """Run a command to its end, with what a pipe takes whole on its stdin.

    Returns its exit status, and its stdout and stderr as one.
    """
    async with process(command, cwd=cwd, env=env, stderr=subprocess.STDOUT) as started:
        assert started.stdin is not None
        assert started.stdout is not None
        if sent:
            await started.stdin.send(sent)
        await started.stdin.aclose()
        said = b"".join([chunk async for chunk in started.stdout])
        return await started.wait(), said


def kill_all() -> None:
    """Kill every child of this process that is still in its context; their owners notice it."""
    for child in list(_alive):
        with suppress(ProcessLookupError):
            child.kill()


async def _end(child: Process) -> None:
    """Close its pipes, end it, and wait for it."""
    try:
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                await _close(pipe)
        if child.stdin is None or not await _ends_by_itself(child):
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    child.send_signal(number)
                if await _ends_by_itself(child):
                    break
    finally:
        if child.returncode is None:  # this was interrupted, which no shield prevents
            with suppress(ProcessLookupError):
                child.kill()
        else:
            await child.aclose()
        _alive.discard(child)


async def _close(pipe: AsyncResource) -> None:
    with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        await pipe.aclose()


async def _ends_by_itself(child: Process) -> bool:
    with anyio.move_on_after(PATIENCE_S):
        await child.wait()
    return child.returncode is not None


def _end_plainly(child: subprocess.Popen[Any]) -> None:
    """Close its pipes, end it, and wait for it."""
    try:
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        if child.stdin is None or not _ends_plainly(child):
            for number in (signal.SIGTERM, signal.SIGKILL):
                child.send_signal(number)
                if _ends_plainly(child):
                    break
    finally:
        child.kill()  # does nothing if it has ended
        _alive.discard(child)


def _ends_plainly(child: subprocess.Popen[Any]) -> bool:
    with suppress(subprocess.TimeoutExpired):
        child.wait(PATIENCE_S)
    return child.returncode is not None
