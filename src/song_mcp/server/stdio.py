"""Serving over stdin and stdout, and knowing what was really written.

Invariant: stdout carries the protocol alone: while serving, whatever else is printed goes to
stderr; and a result counts as delivered only after its line was flushed.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

import anyio
from mcp.server.stdio import stdio_server

from song_mcp.server.app import SongServer
from song_mcp.server.delivery import Deliveries

LAST_WORDS_S = 1.5
"""How long, in seconds, answers may still be written after the end of stdin."""


class _Stdout(anyio.AsyncFile[str]):
    """The wire out, which tells of each line that was written."""

    def __init__(self, file: TextIOWrapper, deliveries: Deliveries) -> None:
        super().__init__(file)
        self._deliveries = deliveries
        self._line = ""

    async def write(self, line: str) -> int:
        self._line = line
        return await super().write(line)

    async def flush(self) -> None:
        await super().flush()
        self._deliveries.wrote(self._line)


async def serve(server: SongServer) -> None:
    """Serve until stdin ends."""
    low = server._lowlevel_server  # noqa: SLF001 - `run_stdio_async` takes no streams
    with _wire() as file:
        stdout = _Stdout(file, server.deliveries_by_line())
        async with stdio_server(stdout=stdout) as (read, write):
            await low.run(read, write, low.create_initialization_options())
            _end_even_if_nobody_reads()


def _end_even_if_nobody_reads() -> None:
    """End the process soon: a thread that writes to a pipe nobody reads waits for ever.

    Everything that is to be kept is on disk by now; what a client still reads gets through.
    """
    last = threading.Timer(LAST_WORDS_S, os._exit, [0])
    last.daemon = True
    last.start()


@contextmanager
def _wire() -> Iterator[TextIOWrapper]:
    """Give the wire out, with file descriptor 1 turned to stderr meanwhile."""
    sys.stdout.flush()
    private = os.dup(1)
    os.dup2(2, 1)
    try:
        yield TextIOWrapper(os.fdopen(private, "wb", closefd=False), encoding="utf-8")
    finally:
        os.dup2(private, 1)
        os.close(private)
