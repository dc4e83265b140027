"""A whole song-mcp for one test: sandbox on loopback, real adapters, the SDK's client in memory.

Everything runs on one fast clock, so that a song is there in a moment.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mcp import Client
from mcp.types import CallToolResult, TextContent

from song_mcp.clock import Clock
from song_mcp.compose import open_studio
from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from song_mcp.sandbox.state import Rules, Sandbox
from song_mcp.server.app import build_server
from song_mcp.settings import Settings
from tests.faults.canaries import GPTGE_KEY, PIAPI_KEY
from tests.harvest import echoed

Json = dict[str, Any]

SPEED = 10.0
QUICK = Rules(clip_seconds=1.0, extension_seconds=0.5, hold_seconds=150.0)


@dataclass
class House:
    """The client that asks, and the sandbox that sees what arrives."""

    client: Client
    sandbox: Sandbox
    folder: Path
    base_url: str
    clock: Clock

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:  # noqa: ANN401 - JSON
        return await self.client.call_tool(tool, arguments)

    async def ok(self, tool: str, **arguments: Any) -> Json:  # noqa: ANN401 - JSON
        """Call a tool that must succeed; gives its structured content."""
        result = await self.call(tool, **arguments)
        assert not result.is_error, text(result)
        assert result.structured_content is not None
        return dict(result.structured_content)

    async def error(self, tool: str, **arguments: Any) -> str:  # noqa: ANN401 - JSON
        """Call a tool that must fail; gives the text that the model reads."""
        result = await self.call(tool, **arguments)
        assert result.is_error, text(result)
        return text(result)

    def posts(self) -> list[Json]:
        """The bodies of the paid submissions that arrived, in order."""
        return [dict(item.body) for item in self.sandbox.accepted]

    @asynccontextmanager
    async def beside(self, name: str) -> AsyncIterator["House"]:
        """Open a second server, with a journal of its own, on the same sandbox."""
        folder = self.folder / name
        async with _client(environment(folder, self.base_url), self.clock, "auto") as client:
            yield replace(self, client=client, folder=folder)


def text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


@asynccontextmanager
async def open_house(
    folder: Path,
    mode: str = "auto",
    *,
    song_seconds: float = 1.5,
    rules: Rules = QUICK,
    settings: Mapping[str, str] | None = None,
    keys: bool = True,
) -> AsyncIterator[House]:
    """Open a house in `folder`; `mode` is the protocol era of its client."""
    clock = Clock(SPEED)
    app = build_app(song_seconds, rules=rules, clock=lambda: clock.now().timestamp())
    async with running(echoed(app)) as base_url:
        values = environment(folder, base_url, keys=keys) | dict(settings or {})
        async with _client(values, clock, mode) as client:
            yield House(client, app.state.sandbox, folder, base_url, clock)


@asynccontextmanager
async def _client(values: Mapping[str, str], clock: Clock, mode: str) -> AsyncIterator[Client]:
    settings = Settings(**values)  # type: ignore[arg-type]  # by the variables' names
    async with Client(build_server(lambda: open_studio(settings, clock)), mode=mode) as client:
        yield client


def environment(folder: Path, base_url: str, *, keys: bool = True) -> dict[str, str]:
    """The variables of a server that uses the sandbox at `base_url`."""
    values = {
        "PIAPI_BASE_URL": base_url,
        "GPTGE_BASE_URL": base_url,
        "SONG_MCP_HOME": str(folder / "home"),
        "SONG_MCP_LIBRARY": str(folder / "library"),
    }
    return values | ({"PIAPI_API_KEY": PIAPI_KEY, "GPTGE_API_KEY": GPTGE_KEY} if keys else {})
