"""What a client says of itself, in the shapes that real ones send."""

from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client import advertise
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage
from mcp.types import (
    CallToolResult,
    Implementation,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from song_mcp.server import clients
from song_mcp.server.sdk import low_level
from tests import eras
from tests.limits import HANGS_S

APPS = "io.modelcontextprotocol/ui"
PAGE = "text/html;profile=mcp-app"
Json = dict[str, Any]

DECLARED = {
    "Claude, VS Code, Goose": {"extensions": {APPS: {"mimeTypes": [PAGE]}}},
    "several types": {"extensions": {APPS: {"mimeTypes": ["text/html", PAGE]}}},
    "other settings too": {"extensions": {APPS: {"mimeTypes": [PAGE], "x": 1}, "a/b": {}}},
    "an SDK without extensions": {"experimental": {APPS: {"mimeTypes": [PAGE]}}},
    "a blank": {"extensions": {APPS: {"mimeTypes": ["text/html; profile=mcp-app"]}}},
    "quotes": {"extensions": {APPS: {"mimeTypes": ['text/html;profile="mcp-app"']}}},
    "capitals": {"extensions": {APPS: {"mimeTypes": ["Text/HTML;Profile=mcp-app"]}}},
    "one text": {"extensions": {APPS: {"mimeTypes": PAGE}}},
}
NOT_DECLARED: dict[str, Json] = {
    "nothing": {},
    "no extension": {"extensions": {}},
    "no settings": {"extensions": {APPS: {}}},
    "no type": {"extensions": {APPS: {"mimeTypes": []}}},
    "another type": {"extensions": {APPS: {"mimeTypes": ["text/html", "text/html+skybridge"]}}},
    "no text": {"extensions": {APPS: {"mimeTypes": [1, None, {"type": PAGE}]}}},
    "no list": {"extensions": {APPS: {"mimeTypes": {PAGE: True}}}},
    "another extension": {"extensions": {"io.modelcontextprotocol/tasks": {"mimeTypes": [PAGE]}}},
    "another experiment": {"experimental": {"openai/visibility": {"enabled": True}}},
}


def asked_server() -> MCPServer[Any]:
    """Return a server whose one tool tells what is known of its caller, asked in both ways."""
    server: MCPServer[Any] = MCPServer("asked")

    @server.tool()
    async def look(ctx: Context[Any]) -> Json:
        told: list[Json] = [
            {
                "pages": clients.shows_pages(context),
                "progress": clients.sends_progress_token(context),
                "name": clients.name_of(context),
            }
            for context in (ctx, ctx.request_context)
        ]
        assert told[0] == told[1]
        return told[0]

    return server


def known(result: CallToolResult) -> Json:
    assert result.structured_content is not None
    return dict(result.structured_content)


async def looked(capabilities: Json, name: str = "a-host", meta: Json | None = None) -> Json:
    """Return what is known of an older client, which declares exactly this."""
    server = low_level(asked_server())
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": capabilities,
        "clientInfo": {"name": name, "version": "1"},
    }
    call = {"name": "look", "arguments": {}} | ({"_meta": meta} if meta else {})
    async with (
        create_client_server_memory_streams() as ((heard, send), streams),
        anyio.create_task_group() as group,
    ):
        group.start_soon(server.run, *streams, server.create_initialization_options())

        async def ask(number: int, method: str, params: Json) -> Json:
            request = JSONRPCRequest(jsonrpc="2.0", id=number, method=method, params=params)
            await send.send(SessionMessage(request))
            with anyio.fail_after(HANGS_S):
                received = await heard.receive()
            assert isinstance(received, SessionMessage)
            assert isinstance(received.message, JSONRPCResponse)
            return received.message.result

        await ask(1, "initialize", hello)
        ready = JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized")
        await send.send(SessionMessage(ready))
        told = await ask(2, "tools/call", call)
        group.cancel_scope.cancel()
    return dict(told["structuredContent"])


@pytest.mark.only_in(eras.LEGACY)
@pytest.mark.parametrize("capabilities", DECLARED.values(), ids=list(DECLARED))
async def test_apps_are_declared_in_each_shape_that_hosts_send(capabilities: Json) -> None:
    assert (await looked(capabilities))["pages"]


@pytest.mark.only_in(eras.LEGACY)
@pytest.mark.parametrize("capabilities", NOT_DECLARED.values(), ids=list(NOT_DECLARED))
async def test_nothing_else_counts_as_declaring_apps(capabilities: Json) -> None:
    assert not (await looked(capabilities))["pages"]


async def test_each_era_declares_apps_in_its_own_place() -> None:
    for settings, shows_pages in (({"mimeTypes": [PAGE]}, True), ({"mimeTypes": ["x/y"]}, False)):
        extensions = [advertise(APPS, settings)]
        async with eras.connected(asked_server(), extensions) as (client, _):
            assert known(await client.call_tool("look"))["pages"] is shows_pages


async def test_progress_is_wanted_by_the_request_that_has_a_token() -> None:
    async def hear(progress: float, total: float | None, message: str | None) -> None:
        pass

    async with eras.connected(asked_server()) as (client, _):
        assert not known(await client.call_tool("look"))["progress"]
        assert known(await client.call_tool("look", progress_callback=hear))["progress"]


@pytest.mark.only_in(eras.LEGACY)
@pytest.mark.parametrize("token", ["a", "", 0, 7])
async def test_each_token_of_the_protocol_asks_for_progress(token: str | int) -> None:
    assert (await looked({}, meta={"progressToken": token}))["progress"]
    assert not (await looked({}, meta={"other": token}))["progress"]


async def test_a_client_is_named_as_it_calls_itself() -> None:
    for name, told in (("claude-code", "claude-code"), ("a\x1b[31m\nb" + "c" * 200, None)):
        info = Implementation(name=name, version="1")
        mode = eras.MODES[eras.now_tested.era]
        async with Client(asked_server(), mode=mode, client_info=info) as client:
            found = known(await client.call_tool("look"))["name"]
        assert found == told or (told is None and found.startswith("a bcc") and len(found) == 100)
