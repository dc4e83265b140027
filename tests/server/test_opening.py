"""How a connection over stdio opens: `server/discover` alone decides no era.

Clients ask it to find out whether the server is of the newer era. One that gets no answer in its
time (1 s for `@ai-sdk/mcp`) shakes hands on the same connection, whether or not the answer comes.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.types import INVALID_REQUEST, METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION

from song_mcp.compose import open_studio
from song_mcp.server.app import build_server
from song_mcp.server.pipe import Pipe
from song_mcp.server.stdio import serve_pipe
from song_mcp.settings import Settings
from tests.eras import LEGACY, MODERN
from tests.limits import HANGS_S
from tests.server.pipes import Piped
from tests.wire.child import ENVELOPE, HELLO

pytestmark = pytest.mark.no_client

Json = dict[str, Any]

VERSION = "io.modelcontextprotocol/protocolVersion"
DISCOVER = {"id": "probe", "method": "server/discover", "params": {"_meta": ENVELOPE}}
INITIALIZE = {"id": 1, "method": "initialize", "params": HELLO}
INITIALIZED = {"method": "notifications/initialized"}
LIST = {"id": 2, "method": "tools/list", "params": {}}
MODERN_LIST = {"id": 3, "method": "tools/list", "params": {"_meta": ENVELOPE}}
MODERN_CALL = {
    "id": 4,
    "method": "tools/call",
    "params": {"name": "list_songs", "arguments": {}, "_meta": ENVELOPE},
}
GIVEN_UP = {"method": "notifications/cancelled", "params": {"requestId": "probe", "reason": "x"}}
OF_TOMORROW = {
    "id": "tomorrow",
    "method": "server/discover",
    "params": {"_meta": ENVELOPE | {VERSION: "2099-01-01"}},
}
OF_YESTERDAY = {"id": "yesterday", "method": "server/discover", "params": {}}
NO_MESSAGE = b"no message"


class Client:
    """What is at the other ends of the pipes, and the server that has yet to be started."""

    def __init__(self, folder: Path) -> None:
        (self._stdin, self._says), (self._hears, self._stdout) = os.pipe(), os.pipe()
        self._file = FileIO(self._hears)
        self.wire = Piped(self._says, self._file)
        values = {"SONG_MCP_HOME": str(folder / "home"), "SONG_MCP_LIBRARY": str(folder)}
        self._settings = Settings(**values)  # type: ignore[arg-type]  # by the variables' names
        self._is_open = True

    async def say(self, *lines: Json | bytes) -> None:
        for line in lines:
            await self.wire.send(line)

    async def ask(self, request: Json) -> Json:
        await self.say(request)
        return await self.answer(request)

    async def answer(self, request: Json) -> Json:
        return await self.wire.answer(request["id"])

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """Serve what was said and what is said; the end of the context is that of stdin."""
        server = build_server(lambda: open_studio(self._settings))
        with anyio.fail_after(HANGS_S):
            async with anyio.create_task_group() as group:
                group.start_soon(serve_pipe, server, Pipe(self._stdin, self._stdout))
                try:
                    yield
                finally:
                    self.hang_up()

    def hang_up(self) -> None:
        if self._is_open:
            os.close(self._says)
        self._is_open = False

    def close(self) -> None:
        self.hang_up()
        self._file.close()
        for end in (self._stdin, self._stdout):
            os.close(end)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    client = Client(tmp_path)
    yield client
    client.close()


async def works_in_the_older_era(client: Client) -> None:
    assert (await client.answer(INITIALIZE))["result"]["protocolVersion"] == LEGACY
    await client.say(INITIALIZED)
    assert (await client.ask(LIST))["result"]["tools"]


PROBES = {
    "one": [DISCOVER],
    "one that is given up": [DISCOVER, GIVEN_UP],
    "two": [DISCOVER, DISCOVER | {"id": "again"}],
    "one of a version to come": [OF_TOMORROW],
    "one without the envelope": [OF_YESTERDAY],
    "one, and what is no message": [DISCOVER, NO_MESSAGE],
}


@pytest.mark.parametrize("probes", PROBES.values(), ids=PROBES)
async def test_a_handshake_behind_an_unanswered_discover_opens_the_older_era(
    client: Client, probes: list[Json | bytes]
) -> None:
    await client.say(*probes, INITIALIZE)
    async with client.served():
        await works_in_the_older_era(client)


@pytest.mark.parametrize("probes", PROBES.values(), ids=PROBES)
async def test_a_handshake_after_an_answered_discover_opens_the_older_era(
    client: Client, probes: list[Json | bytes]
) -> None:
    async with client.served():
        for probe in probes:
            await client.say(probe)
            if isinstance(probe, dict) and "id" in probe:
                await client.answer(probe)
        await client.say(INITIALIZE)
        await works_in_the_older_era(client)


async def test_a_discover_is_answered_before_the_handshake_behind_it(client: Client) -> None:
    await client.say(DISCOVER, INITIALIZE)
    async with client.served():
        await client.answer(INITIALIZE)
    first, _ = client.wire.messages()
    assert first["id"] == DISCOVER["id"]
    assert MODERN in first["result"]["supportedVersions"]
    assert first["result"]["capabilities"]["resources"]["subscribe"]


async def test_each_probe_is_answered_for_itself(client: Client) -> None:
    async with client.served():
        answer = await client.ask(OF_TOMORROW)
        assert answer["error"]["code"] == UNSUPPORTED_PROTOCOL_VERSION
        assert answer["error"]["data"]["supported"] == [MODERN]
        answer = await client.ask(OF_YESTERDAY)
        assert answer["error"]["code"] == METHOD_NOT_FOUND
        assert "result" in await client.ask(DISCOVER)


@pytest.mark.parametrize("opening", [MODERN_LIST, MODERN_CALL], ids=["a list", "a call"])
@pytest.mark.parametrize("probes", [[], [DISCOVER]], ids=["no probe", "a probe"])
async def test_a_handshake_after_a_request_of_the_newer_era_is_refused(
    client: Client, probes: list[Json], opening: Json
) -> None:
    await client.say(*probes, opening)
    async with client.served():
        assert "result" in await client.answer(opening)
        refusal = (await client.ask(INITIALIZE))["error"]
        assert refusal["code"] == UNSUPPORTED_PROTOCOL_VERSION
        assert "result" in await client.ask(MODERN_LIST | {"id": "still"})


async def test_a_discover_after_the_handshake_is_refused(client: Client) -> None:
    async with client.served():
        await client.say(INITIALIZE)
        await works_in_the_older_era(client)
        assert (await client.ask(DISCOVER))["error"]["code"] == INVALID_REQUEST
        assert (await client.ask(LIST | {"id": "still"}))["result"]["tools"]


async def test_a_discover_amid_requests_of_the_newer_era_is_answered(client: Client) -> None:
    async with client.served():
        assert "result" in await client.ask(MODERN_LIST)
        assert "result" in await client.ask(DISCOVER)


async def test_the_end_of_stdin_behind_a_discover_ends_serving(client: Client) -> None:
    await client.say(DISCOVER)
    async with client.served():
        client.hang_up()
        assert "result" in await client.answer(DISCOVER)
