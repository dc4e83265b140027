"""A client at the other ends of real pipes of a server in this process."""

import json
import os
from io import FileIO
from typing import Any

import anyio
import anyio.to_thread
from anyio.abc import ByteReceiveStream
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.wire.child import Child


class Hearing(ByteReceiveStream):
    """Reads a pipe, and can be interrupted: no thread waits for what is never said."""

    def __init__(self, file: FileIO) -> None:
        self._file = file

    async def receive(self, max_bytes: int = 65536) -> bytes:
        await anyio.wait_readable(self._file)
        if not (said := self._file.read(max_bytes)):
            raise anyio.EndOfStream
        return said

    async def aclose(self) -> None:
        self._file.close()


class Piped(Child):
    """An older client, or one that writes its requests itself."""

    def __init__(self, says: int, hears: FileIO) -> None:
        self.lines = []
        self._ids = 0
        self._says = says
        self._stdout = BufferedByteReceiveStream(Hearing(hears))

    async def send(self, line: bytes | dict[str, Any]) -> None:
        text = line if isinstance(line, bytes) else json.dumps({"jsonrpc": "2.0"} | line).encode()
        await anyio.to_thread.run_sync(os.write, self._says, text + b"\n")

    async def request(self, method: str, params: dict[str, Any]) -> int:
        self._ids += 1
        await self.send({"id": self._ids, "method": method, "params": params})
        return self._ids
