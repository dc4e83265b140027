"""Serving over stdin and stdout.

Invariant: stdout carries the protocol alone: while serving, whatever else is printed goes to
stderr, and whatever else reads stdin finds it at its end. Serving ends with stdin, or soon after
the client hung up without reading (`server.wire`); submissions in flight are waited for.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

from mcp.server.stdio import stdio_server

from song_mcp.server.app import SongServer
from song_mcp.server.pipe import Pipe, Stdin, Stdout


async def serve(server: SongServer) -> None:
    """Serve until stdin ends; raises ConnectionError where the client reads no more."""
    low = server._lowlevel_server  # noqa: SLF001 - `run_stdio_async` takes no streams
    with _private(0, os.devnull) as stdin, _private(1) as stdout:
        wire = Pipe(stdin, stdout, server.deliveries_by_line())
        file = TextIOWrapper(os.fdopen(stdin, "rb", closefd=False), "utf-8", errors="replace")
        async with stdio_server(Stdin(file, wire), Stdout(wire)) as (read, write):
            await low.run(read, write, low.create_initialization_options())


@contextmanager
def _private(number: int, instead: str = "") -> Iterator[int]:
    """Give a standard stream as a descriptor of our own.

    Meanwhile its number leads to the file `instead`, or to stderr.
    """
    sys.stdout.flush()
    private, other = os.dup(number), os.open(instead, os.O_RDONLY) if instead else os.dup(2)
    os.dup2(other, number)
    os.close(other)
    try:
        yield private
    finally:
        os.dup2(private, number)
        os.close(private)
