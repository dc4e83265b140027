"""The real server with the suite's fixtures added, served as `song-mcp serve` serves.

Run as `python -m tests.conformance.overlay`; it says on stderr where it listens.
"""

import inspect
import sys
from typing import Any

import anyio
from mcp.server.mcpserver import Context

from song_mcp.compose import open_studio
from song_mcp.loopback import listen
from song_mcp.server.app import SongServer, build_server
from song_mcp.server.http import serve
from song_mcp.settings import Settings
from tests.conformance.fixtures import PROMPTS, RESOURCES, TOOLS


def overlay() -> SongServer:
    """Return the server with every fixture."""
    settings = Settings.read()
    server = build_server(lambda: open_studio(settings))
    for tool in TOOLS:
        server.add_tool(tool, description=inspect.getdoc(tool))
    for uri, function, mime_type in RESOURCES:
        server.resource(uri, mime_type=mime_type)(function)
    for prompt in PROMPTS:
        server.prompt()(prompt)

    @server.tool()
    async def test_trigger_tool_change(ctx: Context[Any]) -> str:
        """Tells that the list of tools changed."""
        await ctx.notify_tools_changed()
        return "told"

    @server.tool()
    async def test_trigger_prompt_change(ctx: Context[Any]) -> str:
        """Tells that the list of prompts changed."""
        await ctx.notify_prompts_changed()
        return "told"

    return server


def _say(address: str) -> None:
    print(f"song-mcp listens on {address};", file=sys.stderr, flush=True)


def main() -> None:
    """Serve until killed."""
    with listen("127.0.0.1", 0) as listener:
        anyio.run(serve, overlay(), listener, _say, None)


if __name__ == "__main__":
    main()
