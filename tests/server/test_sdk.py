"""What this server relies on in the SDK beyond its documentation: a release may change it.

If one of these fails after an upgrade, read `song_mcp/server/sdk.py` and what is named here.
"""

import inspect
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import anyio
import httpx
import pytest
from mcp.server.context import ServerMiddleware
from mcp.server.extension import Extension
from mcp.server.lowlevel import Server
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import MCPServer
from mcp.server.runner import serve_dual_era_loop
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.message import SessionMessage
from mcp.types import (
    JSONRPCRequest,
    JSONRPCResponse,
    ReadResourceRequestParams,
    ReadResourceResult,
    TextResourceContents,
)

from song_mcp.server.sdk import answered_alone, low_level, sessions
from tests.eras import LEGACY, MODERN
from tests.limits import HANGS_S
from tests.wire.child import ENVELOPE, HELLO
from tests.wire.web import ACCEPT, request

pytestmark = pytest.mark.no_client

SDK = f"mcp {version('mcp')}"


@pytest.fixture
def bare() -> MCPServer[Any]:
    return MCPServer("bare")


def test_the_low_level_server_is_within_the_high_level_one(bare: MCPServer[Any]) -> None:
    assert isinstance(low_level(bare), Server), f"{SDK} has its low-level server elsewhere"
    assert low_level(bare).name == "bare"


async def test_the_session_of_an_older_client_is_found_and_can_be_ended(
    bare: MCPServer[Any],
) -> None:
    app = bare.streamable_http_app(json_response=True)
    _, hello = request(LEGACY, "initialize", HELLO)
    async with (
        bare.session_manager.run(),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), headers=ACCEPT) as http,
    ):
        assert list(sessions(bare.session_manager)) == []
        assert (await http.post("http://127.0.0.1:1/mcp", json=hello)).status_code == 200
        found = list(sessions(bare.session_manager))
        assert len(found) == 1, f"{SDK} keeps sessions elsewhere"
        await found[0].terminate()
        assert found[0].is_terminated


@pytest.mark.parametrize("spoken", [LEGACY, MODERN])
async def test_a_request_is_answered_alone_without_the_lifespan(
    bare: MCPServer[Any], spoken: str
) -> None:
    params = HELLO if spoken == LEGACY else {"_meta": ENVELOPE}
    method = "initialize" if spoken == LEGACY else "server/discover"
    asked = JSONRPCRequest(jsonrpc="2.0", id="alone", method=method, params=params)
    with anyio.fail_after(HANGS_S):
        answer = (await answered_alone(low_level(bare), SessionMessage(asked))).message
    assert isinstance(answer, JSONRPCResponse), f"{SDK} serves a connection in another way"
    assert answer.id == "alone"
    assert spoken in answer.result.get("supportedVersions", [answer.result.get("protocolVersion")])


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (Server.run, ["self", "read_stream", "write_stream", "initialization_options"]),
        (serve_dual_era_loop, ["server", "read_stream", "write_stream", "lifespan_state"]),
        (Server.create_initialization_options, ["self"]),
        (Server.add_request_handler, ["self", "method", "params_type", "handler"]),
        (Server.add_notification_handler, ["self", "method", "params_type", "handler"]),
        (Server.get_request_handler, ["self", "method"]),
        (MCPServer.list_tools, ["self"]),
        (MCPServer.call_tool, ["self", "name", "arguments", "context"]),
        (MCPServer.list_resources, ["self"]),
        (MCPServer.read_resource, ["self", "uri", "context"]),
        (MCPServer.get_prompt, ["self", "name", "arguments", "context"]),
        (Extension.intercept_tool_call, ["self", "params", "ctx", "call_next"]),
        (ServerMiddleware.__call__, ["self", "ctx", "call_next"]),
        (InMemorySubscriptionBus.subscribe, ["self", "listener"]),
        (InMemorySubscriptionBus.publish, ["self", "event"]),
        (ListenHandler.__init__, ["self", "bus"]),
        (ListenHandler.__call__, ["self", "ctx", "params"]),
        (SessionMessage.__init__, ["self", "message"]),
    ],
    ids=lambda value: value.__qualname__ if callable(value) else "",
)
def test_what_is_called_and_overridden_is_as_it_was(
    function: Callable[..., Any], parameters: list[str]
) -> None:
    found = list(inspect.signature(function).parameters)
    assert found[: len(parameters)] == parameters, f"{SDK} has changed {function.__qualname__}"


def test_there_is_a_handler_for_reading_resources_to_go_around(bare: MCPServer[Any]) -> None:
    entry = low_level(bare).get_request_handler("resources/read")
    assert entry is not None, f"{SDK} reads resources in another way"
    assert entry.params_type is ReadResourceRequestParams


async def test_what_a_resource_returns_comes_through_the_sdk_as_it_is(
    bare: MCPServer[Any],
) -> None:
    class Marked(str):
        __slots__ = ()

    async def fixed() -> str:
        return Marked("fixed")

    async def named(name: str) -> str:
        return Marked(name)

    bare.resource("x://fixed")(fixed)
    bare.resource("x://{name}/named")(named)
    for uri in ("x://fixed", "x://a/named"):
        (item,) = await bare.read_resource(uri)
        assert isinstance(item, ReadResourceContents)
        assert isinstance(item.content, Marked), f"{SDK} copies the text of resources"


def test_a_content_of_a_resource_has_room_for_what_is_no_json() -> None:
    hint = object()
    content = TextResourceContents(uri="x://y", text="", meta={"hint": hint})
    (found,) = ReadResourceResult(contents=[content]).contents
    assert (found.meta or {})["hint"] is hint, f"{SDK} copies the metadata of resources"
