"""What we use of the SDK that is not public, each with its reason.

`tests/server/test_sdk.py` fails if a release of the SDK has changed any of it, and `pyproject.toml`
allows one minor version alone. Everything else in this package uses public names.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any, TypeVar

import anyio
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.runner import serve_dual_era_loop
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.message import SessionMessage

Lifespan = TypeVar("Lifespan")


def low_level(server: MCPServer[Lifespan]) -> Server[Lifespan]:
    """Return the low-level server within, which takes our own handlers and streams.

    The high-level server has no pages, no caching hint for a single resource and no subscriptions
    of older clients, and serves the standard streams of the process alone.
    """
    return server._lowlevel_server  # noqa: SLF001 - the SDK's documentation names this way


async def answered_alone(server: Server[Any], request: SessionMessage) -> SessionMessage:
    """Return the answer to a request that needs nothing of the lifespan, as on a new connection.

    `Server.run` serves one connection, in the era of its first request, and opens the lifespan.
    """
    put, received = anyio.create_memory_object_stream[SessionMessage | Exception](1)
    sent, answers = anyio.create_memory_object_stream[SessionMessage](1)
    serve = partial(serve_dual_era_loop, server, received, sent, lifespan_state=None)
    async with put, answers, anyio.create_task_group() as group:
        group.start_soon(serve)
        await put.send(request)
        answer = await answers.receive()
        group.cancel_scope.cancel()
    return answer


def sessions(manager: StreamableHTTPSessionManager) -> Iterable[StreamableHTTPServerTransport]:
    """Return the sessions of older clients, as they are now; each must be ended by itself."""
    return list(manager._server_instances.values())  # noqa: SLF001 - there is no public way


async def end_session(
    manager: StreamableHTTPSessionManager, session: StreamableHTTPServerTransport
) -> None:
    """End a session of an older client; it is forgotten before this waits for anything."""
    await manager._discard_session(str(session.mcp_session_id), session)  # noqa: SLF001 - `terminate` alone leaves it counted
