"""Telling clients that songs are there, in both protocol eras.

Invariant: a notice says only that something changed, never what; a client that has gone is left
out, and none delays another or the song.
"""

from collections import OrderedDict
from typing import Any
from urllib.parse import quote

from mcp.server.mcpserver import Context
from mcp.server.session import ServerSession
from mcp.server.subscriptions import ResourcesListChanged, ResourceUpdated, SubscriptionBus

from song_mcp.songs import Task
from song_mcp.studio import Studio

HANDSHAKE_ERA_ENDS = "2026-07-28"
"""From this version on, clients listen to the bus; before it, their sessions are told."""
SESSIONS = 100
"""How many connections of older clients are remembered."""


class Notices:
    """Tells whoever listens to `bus`, and the sessions of older clients that called a tool."""

    def __init__(self, bus: SubscriptionBus) -> None:
        self._bus = bus
        self._sessions: OrderedDict[int, ServerSession] = OrderedDict()

    def meet(self, context: Context[Studio, Any]) -> None:
        """Take note of the session that this call came through: one for each connection."""
        version, client = context.protocol_version, context.session.client_params
        if version is None or version >= HANDSHAKE_ERA_ENDS:
            return
        self._sessions[id(client)] = context.session
        if len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)

    async def tell(self, task: Task) -> None:
        """Say that the task changed, and the list of clips with it."""
        uri = f"song://tasks/{quote(task.public_id, safe='')}"
        await self._bus.publish(ResourceUpdated(uri=uri))
        await self._bus.publish(ResourcesListChanged())
        for key in list(self._sessions):
            await self._tell_session(key)

    async def _tell_session(self, key: int) -> None:
        try:
            await self._sessions[key].send_resource_list_changed()
        except Exception:  # noqa: BLE001 - the client has gone, in whatever way
            self._sessions.pop(key, None)
