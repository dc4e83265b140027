"""Several clients of one server, over HTTP on loopback: each is told what it asked for alone."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
import uvicorn
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated

from song_mcp.compose import open_studio
from song_mcp.server.app import build_server
from song_mcp.settings import Settings
from tests import eras
from tests.eras import LEGACY
from tests.house import ENDLESS_S, House, environment, open_house

LIST = ResourcesListChanged()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """The sandbox, and a server of its own that is only reached through the journal's file."""
    async with open_house(tmp_path, song_seconds=ENDLESS_S) as opened:
        yield opened


class Quiet(uvicorn.Server):
    """An HTTP server that leaves signals to the tests."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@pytest.fixture
async def url(house: House) -> AsyncIterator[str]:
    """Another server on the same journal, served over HTTP."""
    settings = Settings(**environment(house.folder, house.base_url))  # type: ignore[arg-type]
    server = build_server(lambda: open_studio(settings, house.clock))
    app = server.streamable_http_app()
    http = Quiet(uvicorn.Config(app, ws="none", lifespan="off", log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as bound:
        async with server.session_manager.run(), anyio.create_task_group() as group:
            group.start_soon(http.serve, [bound])
            while not http.started:
                await anyio.lowlevel.checkpoint()
            yield f"http://127.0.0.1:{bound.getsockname()[1]}/mcp"
            http.should_exit = True
            http.force_exit = True


@asynccontextmanager
async def client_at(url: str) -> AsyncIterator[eras.Ear]:
    async with eras.connected(url) as (_, ear):
        yield ear


async def begun(house: House, description: str) -> ResourceUpdated:
    """Begin a song in the other server; returns its task."""
    song = await house.ok("generate_song", description=description, wait_seconds=0)
    return ResourceUpdated(uri=f"song://tasks/{song['task_id']}")


async def test_each_client_is_told_of_its_own_subscriptions(house: House, url: str) -> None:
    first, second = await begun(house, "a"), await begun(house, "b")
    async with (
        client_at(url) as one,
        client_at(url) as two,
        one.listening(first.uri) as one_hears,
        two.listening(second.uri) as two_hears,
    ):
        house.end_all()
        assert set(await one_hears.until(first, LIST)) == {first, LIST}
        assert set(await two_hears.until(second, LIST)) == {second, LIST}


@pytest.mark.only_in(LEGACY)
async def test_an_older_client_that_called_nothing_is_told_of_a_new_list(
    house: House, url: str
) -> None:
    async with client_at(url) as ear:
        await begun(house, "x")
        house.end_all()
        assert await ear.until(LIST) == [LIST]


async def test_a_client_that_has_gone_hurts_nobody(house: House, url: str) -> None:
    song = await begun(house, "a")
    async with client_at(url) as stays, stays.listening(song.uri) as hears:
        async with anyio.create_task_group() as group:
            await group.start(listen_until_cancelled, url, song.uri)
            group.cancel_scope.cancel()
        house.end_all()
        assert set(await hears.until(song, LIST)) == {song, LIST}


async def listen_until_cancelled(
    url: str, uri: str, *, task_status: anyio.abc.TaskStatus[None]
) -> None:
    async with client_at(url) as ear, ear.listening(uri):
        task_status.started()
        await anyio.sleep_forever()
