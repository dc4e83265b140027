"""How much may wait for clients that do not read, over both transports."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from song_mcp.compose import open_studio
from song_mcp.loopback import host_and_port, listen
from song_mcp.server.app import build_server
from song_mcp.server.delivery import EXCHANGE, Exchanges, Receive, Send
from song_mcp.server.pipe import Pipe
from song_mcp.server.room import NoRoomError, Room
from song_mcp.server.stdio import serve_pipe
from song_mcp.server.web import WebServer
from song_mcp.settings import Settings
from tests.eras import LEGACY
from tests.house import environment, open_house, uri_of
from tests.limits import HANGS_S
from tests.server.pipes import Piped
from tests.waiting import a_moment
from tests.wire.child import HELLO

pytestmark = pytest.mark.no_client

READS = 40
ROOM = 60_000


async def test_whoever_needs_room_waits_until_there_is_some() -> None:
    room = Room(100)
    order: list[str] = []

    async def wait(size: int) -> None:
        await room.wait_for(size)
        order.append("let in")

    with anyio.fail_after(HANGS_S):
        async with anyio.create_task_group() as group:
            with room.holding(60):
                await room.wait_for(40)
                group.start_soon(wait, 41)
                for _ in range(5):
                    await anyio.lowlevel.checkpoint()
                order.append("freed")
    assert order == ["freed", "let in"]
    assert room.held == 0


async def test_one_that_is_larger_than_the_room_gets_it_alone() -> None:
    room = Room(100, patience_s=0)
    await room.wait_for(500)
    with room.holding(1), pytest.raises(NoRoomError, match="Nothing was read"):
        await room.wait_for(100)


# Over stdio ----------------------------------------------------------------------------------


@asynccontextmanager
async def piped(settings: Settings, room: Room) -> AsyncIterator[Piped]:
    """Serve over pipes, as `stdio.serve` does, until the context ends."""
    (stdin, says), (hears, stdout) = os.pipe(), os.pipe()
    server = build_server(lambda: open_studio(settings), room)
    with FileIO(hears) as file:
        client = Piped(says, file)
        async with anyio.create_task_group() as group:
            group.start_soon(serve_pipe, server, Pipe(stdin, stdout))
            await client.ask("initialize", HELLO)
            await client.send({"method": "notifications/initialized"})
            yield client
            os.close(says)
    for end in (stdin, stdout):
        os.close(end)


async def test_audio_that_nobody_reads_waits_in_the_library_and_is_read_later(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path) as house:
        song = await house.song(description="waltz")
        uri = uri_of(song["clips"][0])
        values = environment(tmp_path, house.base_url) | {"SONG_MCP_BLOB_BYTES": str(2**20)}
        settings = Settings(**values)  # type: ignore[arg-type]  # by the variables' names
        room = Room(ROOM)
        with anyio.fail_after(HANGS_S):
            async with piped(settings, room) as client:
                asked = [
                    await client.request("resources/read", {"uri": f"{uri}/audio"})
                    for _ in range(READS)
                ]
                most = 0.0
                while not room.held:
                    await a_moment()
                for _ in range(200):
                    most = max(most, room.held)
                    await anyio.lowlevel.checkpoint()
                for _ in range(20):
                    most = max(most, room.held)
                    await a_moment()
                while len(client.lines) < READS + 1:
                    await client.line()
    size = len(client.lines[-1])
    answers = {each["id"]: each["result"]["contents"][0] for each in client.messages()[1:]}
    assert sorted(answers) == asked
    assert all("blob" in answer for answer in answers.values())
    assert READS * size > 4 * ROOM, "so much did not wait"
    assert most <= max(ROOM, 2**20 * 4 / 3) + 2 * size


# Over HTTP -----------------------------------------------------------------------------------

BODY = b"x" * (64 * 2**20)


@pytest.mark.parametrize("leaves", [False, True], ids=["reads", "leaves"])
async def test_an_answer_over_http_takes_room_until_it_is_taken_or_its_client_leaves(
    *, leaves: bool
) -> None:
    room = Room(100)
    answered = anyio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:  # noqa: ANN401 - as ASGI has it
        await receive()
        held = ExitStack()
        held.enter_context(room.holding(60))
        scope[EXCHANGE].keep(held)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        answered.set()
        await send({"type": "http.response.body", "body": BODY})

    web = WebServer(Exchanges(lambda _: None, lambda _: None).around(app))
    loop = asyncio.get_running_loop()
    with listen("127.0.0.1", 0) as listener, anyio.fail_after(HANGS_S):
        serving = asyncio.create_task(web.serve([listener]))
        with closing(socket.socket()) as plain:
            plain.setblocking(False)  # noqa: FBT003 - the method's own way
            await loop.sock_connect(plain, host_and_port(listener))
            await loop.sock_sendall(plain, b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            await answered.wait()
            for _ in range(20):
                await a_moment()
            assert room.held == 60
            got = 0
            while not leaves and got < len(BODY):
                got += len(await loop.sock_recv(plain, 2**20))
        while room.held:
            await a_moment()
        web.should_exit = web.force_exit = True
        await serving


# Subscriptions -------------------------------------------------------------------------------


async def test_many_subscriptions_at_once_do_not_pass_the_limit(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.another_client(era=LEGACY) as older:
        taken: list[str] = []

        async def subscribe(uri: str) -> None:
            try:
                await older.ear.subscribe(uri)
            except Exception as error:  # noqa: BLE001 - its words are looked at
                assert "At most 1000 resources" in str(error)  # noqa: PT017 - not each must fail
            else:
                taken.append(uri)

        async with anyio.create_task_group() as group:
            for number in range(1500):
                group.start_soon(subscribe, f"song://tasks/{number}")
        assert len(taken) == 1000


async def test_all_streams_of_newer_clients_together_have_a_limit(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.another_client(era="2026-07-28") as newer:
        listen_to = partial(newer.client.listen, resources_list_changed=True)
        uris = [f"song://tasks/{number}" for number in range(1000)]
        with anyio.fail_after(HANGS_S):
            async with AsyncExitStack() as stack:
                for _ in range(10):
                    await stack.enter_async_context(listen_to(resource_subscriptions=uris))
                with pytest.raises(Exception, match="at most 10000 resources"):
                    await stack.enter_async_context(listen_to(resource_subscriptions=uris[:1]))
