"""What is used of the SDK that is not public, each with its reason.

`tests/server/test_sdk.py` says which of it a release of the SDK has changed, and `pyproject.toml`
admits one minor version alone. Everything else in this package uses public names.
"""

from collections.abc import Iterable
from typing import TypeVar

from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

Lifespan = TypeVar("Lifespan")


def low_level(server: MCPServer[Lifespan]) -> Server[Lifespan]:
    """Return the low-level server within, which takes handlers and streams of one's own.

    The high level has no pages, no caching hint of a single resource and no subscriptions of older
    clients, and runs over the streams of the process alone.
    """
    return server._lowlevel_server  # noqa: SLF001 - the SDK's documentation names this way


def sessions(manager: StreamableHTTPSessionManager) -> Iterable[StreamableHTTPServerTransport]:
    """Return the sessions of older clients, as they are now: only each of them can be ended."""
    return list(manager._server_instances.values())  # noqa: SLF001 - no other way in
