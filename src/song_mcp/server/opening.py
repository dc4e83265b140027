"""How a connection over stdio opens.

The SDK takes the first request to be of the protocol era that the whole connection speaks. But
clients ask `server/discover` to find out about that, and one that gets no answer in its time shakes
hands on the same connection. So `server/discover` decides nothing while nothing else was asked:
it is answered by itself, before the next message is read. The first other request decides.
"""

from collections.abc import Awaitable, Callable

from anyio.abc import ObjectReceiveStream
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCRequest

Received = SessionMessage | Exception
"""A message, or what is wrong with a line that is not one."""

DISCOVER = "server/discover"


class Opening(ObjectReceiveStream[Received]):
    """What a client says, without each `server/discover` that comes first: `answer` takes those."""

    def __init__(
        self,
        received: ObjectReceiveStream[Received],
        answer: Callable[[SessionMessage], Awaitable[None]],
    ) -> None:
        """Read `received`; `answer` returns when the request that it got is answered."""
        self._received = received
        self._answer = answer
        self._is_decided = False

    async def receive(self) -> Received:
        """Return the next message that is not a question about the era; EndOfStream at the end."""
        while True:
            item = await self._received.receive()
            if not (isinstance(item, SessionMessage) and isinstance(item.message, JSONRPCRequest)):
                return item
            if self._is_decided or item.message.method != DISCOVER:
                self._is_decided = True
                return item
            await self._answer(item)

    async def aclose(self) -> None:
        """Read no more."""
        await self._received.aclose()
