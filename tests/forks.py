"""Servers as children, each forked from a process that has imported everything.

To start Python and to import the SDK costs more than most tests do. What is forked is still a
process of its own, with its own pid, pipes and signals; `tests/faults/server_child.py` does it, and
says how. It starts with the first order, and lives until the tests of this process have ended.

With `--every-era`, as in `.ci/run`, `server` starts each server as users start it.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process

from tests.children import ended_with, popen, process
from tests.harvest import VARIABLE, server_arguments
from tests.limits import HANGS_S

CHILD = str(Path(__file__).parent / "faults" / "server_child.py")
PIPE = subprocess.PIPE


class _State:
    """What `forking` knows: whether servers are forked, and by which process."""

    is_on = True
    orders: socket.socket | None = None
    server: subprocess.Popen[Any] | None = None
    stack: ExitStack


_state = _State()


def start_as_users_do() -> None:
    """Fork no server from now on, as far as `server` goes."""
    _state.is_on = False


def end() -> None:
    """End the process that forks, if there is one; another order starts a new one."""
    if _state.server is not None:
        _state.server = None
        _state.stack.close()


def order(what: Mapping[str, Any], streams: Sequence[int]) -> None:
    """Have a server forked with these streams: stdin, stdout, stderr, and a socket for news.

    The news are two lines: its pid, and in the end its exit status.
    """
    if _state.server is not None and _state.server.poll() is not None:  # killed by a test's limit
        end()
    if _state.server is None:
        _state.stack = ExitStack()
        _state.server, _state.orders = _state.stack.enter_context(_forking())
    assert _state.orders is not None
    socket.send_fds(_state.orders, [json.dumps(what).encode()], streams)


@contextmanager
def _forking() -> Iterator[tuple[subprocess.Popen[Any], socket.socket]]:
    """Run the process that forks; it ends when nobody can send it orders any more."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = (sys.executable, "-W", "error", CHILD, str(theirs.fileno()))
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        environment |= {VARIABLE: os.environ[VARIABLE]} if VARIABLE in os.environ else {}
        with ExitStack() as stack:
            running = popen(command, pass_fds=[theirs.fileno()], env=environment)
            started = stack.enter_context(running)
            stack.enter_context(ours)  # which is closed first: that ends the process
            theirs.close()
            yield started, ours
            ours.close()
            started.wait(HANGS_S)


# Servers as children -------------------------------------------------------------------------


@asynccontextmanager
async def server(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str],
    stdin: int | None = PIPE,
    stdout: int | None = PIPE,
    stderr: Any = PIPE,  # noqa: ANN401 - PIPE or a file, as for `children.process`
    module: str = "",
) -> AsyncIterator[Process]:
    """Run `song-mcp ARGUMENTS` with these variables and no others while the context lasts.

    With `module`, `python -m MODULE` runs in its place.
    """
    if not _state.is_on:
        what = ("-m", module) if module else (*server_arguments(), *arguments)
        command = (sys.executable, "-W", "error", *what)
        running = process(command, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr)
        async with running as started:
            yield started
        return
    wanted = {"command": arguments, "module": module, "folder": str(cwd), "environment": dict(env)}
    forked = await _forked(wanted, (stdin, stdout, stderr))
    async with ended_with(forked):
        yield forked


async def _forked(
    wanted: Mapping[str, Any], streams: tuple[int | None, int | None, int | IO[bytes] | None]
) -> "Forked":
    """Order a server, and wait until it is there."""
    news, theirs = socket.socketpair()
    inputs = _Pipe(streams[0], 0)
    outputs = _Pipe(streams[1], 1), _Pipe(streams[2], 2)
    with theirs:
        given = [inputs.theirs, *(pipe.theirs for pipe in outputs), theirs.fileno()]
        order({"arguments": (), "clock": [0.0, 1.0], "umask": _umask(), **wanted}, given)
    for pipe in (inputs, *outputs):
        pipe.close_theirs()
    forked = Forked(
        None if inputs.ours is None else _In(inputs.ours),
        *(None if pipe.ours is None else _Out(pipe.ours) for pipe in outputs),
    )
    with anyio.CancelScope(shield=True):  # or nobody would end what is started
        await forked.watch(news)
    return forked


def _umask() -> int:
    """Return the mode bits that files of this process do not get, which children inherit."""
    found = os.umask(0o077)
    os.umask(found)
    return found


class _Pipe:
    """One of the three streams: their end and, if it is a pipe, ours."""

    def __init__(self, wanted: int | IO[bytes] | None, number: int) -> None:
        self.ours: int | None = None
        self._is_new = wanted == PIPE
        if self._is_new:
            ends = os.pipe()
            self.theirs, self.ours = ends if number == 0 else ends[::-1]
            os.set_blocking(self.ours, False)
        elif wanted is None:
            self.theirs = number
        else:
            self.theirs = wanted if isinstance(wanted, int) else wanted.fileno()

    def close_theirs(self) -> None:
        if self._is_new:
            os.close(self.theirs)


class _End:
    """Our end of a pipe."""

    def __init__(self, number: int) -> None:
        self._number: int | None = number

    def number(self) -> int:
        if self._number is None:
            raise anyio.ClosedResourceError
        return self._number

    async def aclose(self) -> None:
        number, self._number = self._number, None
        if number is not None:
            anyio.notify_closing(number)
            os.close(number)


class _In(_End, ByteSendStream):
    """What a server reads; several tasks may write whole messages."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self._writing = anyio.Lock()

    async def send(self, item: bytes) -> None:
        rest = memoryview(item)
        async with self._writing:
            while rest:
                await anyio.wait_writable(self.number())
                try:
                    rest = rest[os.write(self.number(), rest) :]
                except BlockingIOError:
                    continue
                except OSError as error:
                    raise anyio.BrokenResourceError from error


class _Out(_End, ByteReceiveStream):
    """What a server writes."""

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        await anyio.wait_readable(self.number())
        if received := os.read(self.number(), max_bytes):
            return received
        raise anyio.EndOfStream


class Forked(Process, asyncio.Protocol):
    """A forked server, to be used as any other process."""

    def __init__(self, stdin: _In | None, stdout: _Out | None, stderr: _Out | None) -> None:
        loop = asyncio.get_running_loop()
        self._pipes = stdin, stdout, stderr
        self._news = b""
        self._born: asyncio.Future[int] = loop.create_future()
        self._ended: asyncio.Future[int] = loop.create_future()

    async def watch(self, news: socket.socket) -> None:
        """Listen to the news, until they say that the process is there."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_connection(lambda: self, sock=news)
        with anyio.fail_after(HANGS_S):
            await self._born

    def data_received(self, data: bytes) -> None:
        """Hear of the birth and of the end."""
        self._news += data
        told = self._news.split(b"\n")[:-1]
        for future, line in zip((self._born, self._ended), told, strict=False):
            if not future.done():
                future.set_result(int(line))
        if self._ended.done():
            self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        """Take it for killed if its end was not told, as then nobody is left to tell it."""
        self._transport.close()
        for future in (self._born, self._ended):
            if not future.done():
                future.set_result(-signal.SIGKILL)

    @property
    def pid(self) -> int:
        return self._born.result()

    @property
    def returncode(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    @property
    def stdin(self) -> ByteSendStream | None:
        return self._pipes[0]

    @property
    def stdout(self) -> ByteReceiveStream | None:
        return self._pipes[1]

    @property
    def stderr(self) -> ByteReceiveStream | None:
        return self._pipes[2]

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def send_signal(self, signal: int) -> None:
        if not self._ended.done() and self.pid > 0:
            with suppress(ProcessLookupError):  # its end is not told yet
                os.kill(self.pid, signal)

    async def aclose(self) -> None:
        """Let go of the pipes of a process that has ended."""
        for pipe in self._pipes:
            if pipe is not None:
                await pipe.aclose()
        await self.wait()
