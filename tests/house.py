"""A whole song-mcp for one test: sandbox on loopback, real adapters, the SDK's client in memory.

Everything runs on one fast clock, so that a song is ready in a moment. Only calls wait as long as
they say, so that a busy machine keeps up. Its client speaks the protocol era of the test, which
`tests.eras` chooses.
"""

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
from mcp import Client
from mcp.client.extension import ClientExtension
from mcp.types import CallToolResult, TextContent

from song_mcp.clock import Clock
from song_mcp.compose import open_studio
from song_mcp.journal import Journal
from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from song_mcp.sandbox.state import Rules, Sandbox
from song_mcp.server.app import build_server
from song_mcp.server.results import clip_uri
from song_mcp.settings import Settings
from tests import eras
from tests.eras import Ear
from tests.faults.canaries import GPTGE_KEY, PIAPI_KEY
from tests.harvest import echoed
from tests.voice import beep
from tests.waiting import a_moment

Json = dict[str, Any]

SPEED = 10.0
ENDLESS_S = 3600.0
"""Songs end when a test says so (`House.end_all`), not before a client listens."""
QUICK = Rules(clip_seconds=1.0, extension_seconds=0.5, hold_seconds=150.0, has_history=False)
"""Without a history, so that a doubt stays one until a test settles it."""


class FastClock(Clock):
    """Services and pollers are `SPEED` times as fast as the wall clock; a call that waits is not.

    A call measures with `monotonic` how long it has waited. At the speed of the rest, 25 s would be
    over in 2.5 s, and what a call answers would depend on how fast the machine is.
    """

    def __init__(self) -> None:
        super().__init__(SPEED)

    def monotonic(self) -> float:
        return super().monotonic() / SPEED

    def now(self) -> datetime:
        return self._started + timedelta(seconds=super().monotonic())


@dataclass
class House:
    """The client that asks, and the sandbox that records what arrives."""

    client: Client
    sandbox: Sandbox
    folder: Path
    base_url: str
    clock: Clock
    ear: Ear

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:  # noqa: ANN401 - JSON
        """Call a tool, as a client that can wait: it asks for progress."""
        return await self.client.call_tool(tool, arguments, progress_callback=_ignored)

    async def ok(self, tool: str, **arguments: Any) -> Json:  # noqa: ANN401 - JSON
        """Call a tool that must succeed; returns its structured content."""
        result = await self.call(tool, **arguments)
        assert not result.is_error, text(result)
        assert result.structured_content is not None
        return dict(result.structured_content)

    async def song(self, **arguments: Any) -> Json:  # noqa: ANN401 - JSON
        """Make a song and wait until its clips are in the library, however busy the machine is."""
        song = await self.ok("generate_song", **arguments)
        while song["status"] != "completed" or not all(clip.get("file") for clip in song["clips"]):
            await a_moment()
            song = await self.ok("get_task", task_id=song["task_id"])
        return song

    async def error(self, tool: str, **arguments: Any) -> str:  # noqa: ANN401 - JSON
        """Call a tool that must fail; returns the text that the model reads."""
        result = await self.call(tool, **arguments)
        assert result.is_error, text(result)
        return text(result)

    async def give_up(self, tool: str, **arguments: Any) -> None:  # noqa: ANN401 - JSON
        """Call a paid tool, and cancel the call as soon as the service has the request."""
        accepted = len(self.sandbox.accepted)
        async with anyio.create_task_group() as group:
            group.start_soon(partial(self.call, tool, **arguments))
            while len(self.sandbox.accepted) == accepted:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()

    def hold(self) -> None:
        """Let songs that are begun from now on go on until `end_all`."""
        self.sandbox.song_seconds = ENDLESS_S

    def end_all(self) -> None:
        """Let all songs that were begun be ready now."""
        self._end_all(least_looks=0)

    def nearly_end_all(self) -> None:
        """Let all songs that were begun have clips, and be ready when `end_all` says so."""
        self._end_all(least_looks=sys.maxsize)

    def _end_all(self, *, least_looks: int) -> None:
        for catalog in self.sandbox.catalogs.values():
            for task in catalog:
                task.span_s, task.least_looks = 0.0, least_looks

    def posts(self) -> list[Json]:
        """The bodies of the paid submissions that arrived, in order."""
        return [dict(item.body) for item in self.sandbox.accepted]

    @asynccontextmanager
    async def journal(self) -> AsyncIterator[Journal]:
        """Open the server's journal as another process would."""
        settings = Settings(**environment(self.folder, self.base_url))  # type: ignore[arg-type]  # by the variables' names
        journal = Journal(settings.journal_path, self.clock.now)
        yield journal
        await journal.close()

    @asynccontextmanager
    async def beside(self, name: str = "") -> AsyncIterator["House"]:
        """Open a second server on the same sandbox, on a journal of its own, or unnamed on ours."""
        folder = self.folder / name
        async with _client(environment(folder, self.base_url), self.clock) as (client, ear):
            yield replace(self, client=client, folder=folder, ear=ear)

    @asynccontextmanager
    async def another_client(
        self, extensions: Sequence[ClientExtension] = (), era: str = "", **variables: str
    ) -> AsyncIterator["House"]:
        """Open another client, with a server of its own on the same journal and sandbox."""
        values = environment(self.folder, self.base_url) | variables
        async with _client(values, self.clock, extensions, era) as (client, ear):
            yield replace(self, client=client, ear=ear)


async def _ignored(progress: float, total: float | None, message: str | None) -> None:
    """Take no notice of a call's progress."""


def uri_of(clip: Json) -> str:
    """The resource of a clip in a result."""
    return clip_uri(clip["clip_id"])


def text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


@asynccontextmanager
async def open_house(  # noqa: PLR0913 - what tests vary, each by name
    folder: Path,
    *,
    song_seconds: float = 1.5,
    rules: Rules = QUICK,
    settings: Mapping[str, str] | None = None,
    keys: bool = True,
    at_home: bool = False,
    clock: Clock | None = None,
    extensions: Sequence[ClientExtension] = (),
) -> AsyncIterator[House]:
    """Open a house in `folder`, with a client of the era that is being tested.

    With `at_home` the user runs a server of ACE-Step's, too.
    Pass a clock only if nothing has to be ready before a call has waited long enough.
    """
    clock = clock or FastClock()
    app = build_app(song_seconds, rules=rules, clock=lambda: clock.now().timestamp(), press=beep)
    async with running(echoed(app)) as base_url:
        own = {"ACESTEP_BASE_URL": base_url} if at_home else {}
        values = environment(folder, base_url, keys=keys) | own | dict(settings or {})
        async with _client(values, clock, extensions) as (client, ear):
            yield House(client, app.state.sandbox, folder, base_url, clock, ear)


@asynccontextmanager
async def _client(
    values: Mapping[str, str],
    clock: Clock,
    extensions: Sequence[ClientExtension] = (),
    era: str = "",
) -> AsyncIterator[tuple[Client, Ear]]:
    settings = Settings.read(**values)
    server = build_server(lambda: open_studio(settings, clock))
    async with eras.connected(server, extensions, era) as (client, ear):
        yield client, ear


def environment(folder: Path, base_url: str, *, keys: bool = True) -> dict[str, str]:
    """The variables of a server that uses the sandbox at `base_url`."""
    values = {
        "PIAPI_BASE_URL": base_url,
        "PIAPI_UPLOAD_URL": base_url,
        "GPTGE_BASE_URL": base_url,
        "MINIMAX_BASE_URL": base_url,
        "SONG_MCP_HOME": str(folder / "home"),
        "SONG_MCP_LIBRARY": str(folder / "library"),
        "SONG_MCP_DEFAULT_MODEL": "udio",
        "SONG_MCP_WAIT_SECONDS": "55",  # the longest: a busy machine takes its time
    }
    return values | ({"PIAPI_API_KEY": PIAPI_KEY, "GPTGE_API_KEY": GPTGE_KEY} if keys else {})
