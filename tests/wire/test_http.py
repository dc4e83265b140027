"""song-mcp over HTTP: a child process on a real loopback socket, against the sandbox."""

import base64
import json
import re
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client
from mcp.shared.subscriptions import ResourcesListChanged
from mcp.types import BlobResourceContents

from song_mcp import __version__
from song_mcp.clock import Clock
from song_mcp.journal import Journal
from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from song_mcp.sandbox.state import Rules, Sandbox
from song_mcp.songs import Task
from tests import eras
from tests.faults.canaries import HTTP_TOKEN
from tests.house import House, environment, uri_of
from tests.limits import HANGS_S
from tests.voice import beep
from tests.waiting import a_moment
from tests.wire.child import HELLO
from tests.wire.web import Web, listening, posted, request, serving, session, tool, until_heard

Json = dict[str, Any]

NEVER_DONE = "[[slow:1000]]"
SLOWLY_ACCEPTED = "[[timeout:1]]"
SAID_AGAIN = re.compile(r" \([0-9]+ times more since it was last said\)$")
"""What the log adds to a line that comes again after a minute, for a busy machine is slow."""
REFUSALS = {
    f"Invalid {name}"
    for name in (
        "Host header: evil.example",
        "Host header: 127.0.0.1:1",
        "Origin header: https://evil.example",
        "Origin header: http://localhost:1",
        "Origin header: null",
    )
}
"""What a server logs of requests that it does not answer."""
COMPLETED = b'"status":"completed"'


@pytest.fixture(scope="module")
async def services() -> AsyncIterator[tuple[str, Sandbox]]:
    """The sandbox's address, and the sandbox, which records what arrives."""
    app = build_app(1.0, rules=Rules(clip_seconds=1.0, extension_seconds=0.5), press=beep)
    async with running(app) as base_url:
        yield base_url, app.state.sandbox


@pytest.fixture(scope="module")
async def shared(
    services: tuple[str, Sandbox], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Web]:
    """A server for the tests that leave nothing behind which disturbs others."""
    folder = tmp_path_factory.mktemp("shared")
    async with serving(folder, environment(folder, services[0])) as web:
        told = web.log.read_text(encoding="utf-8")
        assert f"Authorization: Bearer {HTTP_TOKEN}\n" in told
        assert f"It is kept in {folder / 'home' / 'http-token'}\n" in told
        yield web
        assert {SAID_AGAIN.sub("", line) for line in web.stderr().splitlines()} <= REFUSALS


@pytest.fixture
async def web(services: tuple[str, Sandbox], tmp_path: Path) -> AsyncIterator[Web]:
    """A server of the test's own."""
    async with serving(tmp_path, environment(tmp_path, services[0])) as started:
        yield started


async def journal(folder: Path) -> list[Task]:
    """What the journal on disk says, read without the server."""
    file = Journal(folder / "home" / "journal.sqlite3", Clock().now)
    try:
        return list((await file.search("", 50)).tasks)
    finally:
        await file.close()


# With the SDK's client -----------------------------------------------------------------------


@pytest.fixture(scope="module")
async def house(shared: Web, services: tuple[str, Sandbox], era: str) -> AsyncIterator[House]:
    """A client of each era on one and the same server."""
    async with eras.connected(shared.transport()) as (client, ear):
        yield House(client, services[1], shared.log.parent, services[0], Clock(), ear)


@pytest.fixture(scope="module")
async def song(house: House) -> Json:
    with anyio.fail_after(HANGS_S):
        return await house.ok("generate_song", description=f"{house.client.protocol_version} jig")


async def test_one_address_serves_both_eras(house: House, era: str) -> None:
    assert house.client.protocol_version == era
    assert house.client.server_info is not None
    assert house.client.server_info.name == "song-mcp"


async def test_a_song_is_made_over_http_and_looked_up_again(house: House, song: Json) -> None:
    assert (song["status"], song["charged"]) == ("completed", "yes")
    assert all(Path(clip["file"]).is_file() for clip in song["clips"])
    again = await house.ok("get_task", task_id=song["task_id"])
    assert again["clips"] == song["clips"]


async def test_each_client_of_one_server_gets_what_it_can_show(
    house: House, shared: Web, song: Json
) -> None:
    async with eras.connected(shared.transport(), [eras.APPS]) as (page, _):
        for client, shows_pages in ((page, True), (house.client, False), (page, True)):
            looked = await client.call_tool("get_task", {"task_id": song["task_id"]})
            assert ("song-mcp/player" in (looked.meta or {})) is shows_pages
            tools = {tool.name for tool in (await client.list_tools()).tools}
            assert ("read_clip" in tools) is shows_pages
            cover = {"clip_id": song["clips"][0]["clip_id"], "part": "cover"}
            assert (await client.call_tool("read_clip", cover)).is_error is not shows_pages
            listed = {each.uri for each in (await client.list_resources()).resources}
            assert ("ui://song-mcp/player.html" in listed) is shows_pages


@pytest.mark.one_era("the audio is read behind the protocol")
async def test_a_clips_audio_comes_over_http_as_it_is_on_disk(house: House, song: Json) -> None:
    clip = song["clips"][0]
    (content,) = (await house.client.read_resource(f"{uri_of(clip)}/audio")).contents
    assert isinstance(content, BlobResourceContents)
    assert base64.b64decode(content.blob) == Path(clip["file"]).read_bytes()


async def test_a_waiting_call_tells_over_http_how_it_stands(house: House) -> None:
    is_told = anyio.Event()

    async def note(progress: float, total: float | None, message: str | None) -> None:
        is_told.set()

    arguments = {"description": f"x {NEVER_DONE}", "wait_seconds": 55, "another_take": True}
    call = partial(house.client.call_tool, "generate_song", arguments, progress_callback=note)
    with anyio.fail_after(HANGS_S):
        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await is_told.wait()
            group.cancel_scope.cancel()


async def test_a_client_is_told_over_http_that_a_song_is_there(house: House) -> None:
    async with house.ear.listening() as ear:
        made = await house.ok(
            "generate_song", description="told", wait_seconds=0, another_take=True
        )
        await ear.until(ResourcesListChanged())
        done = await house.ok("get_task", task_id=made["task_id"])
    assert done["status"] == "completed"


async def test_a_failure_is_our_sentence_over_http_too(house: House) -> None:
    assert "did you mean description?" in await house.error("generate_song", descripton="x")
    assert "list_songs" in await house.error("get_task", task_id="nobody-knows")


# Who is answered -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Host", "evil.example", 421),
        ("Host", "127.0.0.1:1", 421),
        ("Origin", "https://evil.example", 403),
        ("Origin", "http://localhost:1", 403),
        ("Origin", "null", 403),
    ],
)
async def test_a_request_for_another_host_or_from_another_page_is_refused(
    shared: Web, era: str, header: str, value: str, status: int
) -> None:
    headers, body = request(era, "tools/list", {})
    headers[header] = value
    async with httpx.AsyncClient() as http:
        assert (await http.post(shared.url, json=body, headers=headers)).status_code == status
        looked = await http.get(shared.health, headers={header: value})
        assert looked.status_code == status


@pytest.mark.no_client
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_this_machines_own_names_are_answered(shared: Web, name: str) -> None:
    headers, body = request("2026-07-28", "tools/list", {})
    headers |= {"Host": f"{name}:{shared.port}", "Origin": f"http://{name}:{shared.port}"}
    async with httpx.AsyncClient() as http:
        assert (await http.post(shared.url, json=body, headers=headers)).status_code == 200


async def test_a_body_longer_than_any_request_is_refused(shared: Web, era: str) -> None:
    headers, body = request(era, "tools/call", {"name": "list_songs", "arguments": {}})
    body["params"]["arguments"]["query"] = "x" * 300_000
    async with httpx.AsyncClient() as http:
        assert (await http.post(shared.url, json=body, headers=headers)).status_code == 413


@pytest.mark.no_client
async def test_health_says_how_it_stands_and_nothing_secret(shared: Web) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.get(shared.health)
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "version": __version__, "journal": "ok"}


@pytest.mark.no_client
async def test_health_fails_where_the_journal_cannot_be_used(
    tmp_path: Path, services: tuple[str, Sandbox]
) -> None:
    (tmp_path / "home").write_text("in the way", encoding="utf-8")
    async with (
        serving(tmp_path, environment(tmp_path, services[0]), "--no-token") as blocked,
        httpx.AsyncClient() as http,
    ):
        answer = await http.get(blocked.health)
        assert answer.status_code == 503
        assert answer.json()["status"] == "failing"
        assert str(tmp_path) not in answer.text
        assert "journal cannot be used" in blocked.stderr()


@pytest.mark.no_client
async def test_wrong_settings_end_no_server_over_http_and_its_token_works(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way", encoding="utf-8")
    wrong = {"SONG_MCP_HOME": str(tmp_path / "home"), "SONG_MCP_DAILY_LIMIT": "many"}
    async with serving(tmp_path, wrong) as web:
        said = web.log.read_text(encoding="utf-8")
        assert "SONG_MCP_DAILY_LIMIT: must be a whole number" in said
        assert f"is another at each start: song-mcp cannot keep its token in {tmp_path}" in said
        token = re.search(r"Bearer (\S+)\n", said)
        assert token is not None
        headers, body = request(eras.LEGACY, "initialize", HELLO)
        async with httpx.AsyncClient(timeout=HANGS_S) as http:
            refused = await http.post(web.url, json=body, headers=headers)
            allowed = {**headers, "Authorization": f"Bearer {token[1]}"}
            served = await http.post(web.url, json=body, headers=allowed)
        assert (refused.status_code, served.status_code) == (401, 200)


@pytest.mark.no_client
@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
async def test_the_other_loopback_address_is_served_too(
    tmp_path: Path, services: tuple[str, Sandbox]
) -> None:
    async with serving(tmp_path, environment(tmp_path, services[0]), "--host", "::1") as web:
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"http://[::1]:{web.port}/health")).status_code == 200
        async with Client(web.transport()) as client:
            assert (await client.list_tools()).tools


# The end -------------------------------------------------------------------------------------


SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@pytest.mark.no_client
@SIGNALS
async def test_a_signal_ends_an_idle_server_at_once(web: Web, number: signal.Signals) -> None:
    async with httpx.AsyncClient() as http:
        await http.get(web.health)
        web.process.send_signal(number)
        with anyio.fail_after(HANGS_S):
            assert await web.process.wait() == 128 + number
    assert web.stderr() == ""


async def test_a_signal_ends_a_server_whose_clients_listen_and_wait(
    web: Web, services: tuple[str, Sandbox], era: str
) -> None:
    asked = len(services[1].accepted)
    known = await session(web, era)
    call = tool(era, known, "generate_song", description=f"x {NEVER_DONE}", wait_seconds=55)
    with anyio.fail_after(HANGS_S):
        async with posted(web, listening(era, known)) as notices, posted(web, call) as answer:
            await until_heard(notices, b"text/event-stream")
            while len(services[1].accepted) == asked:
                await a_moment()
            web.process.terminate()
            await until_hung_up(notices)
            await until_hung_up(answer)
            assert await web.process.wait() == 128 + signal.SIGTERM
    assert web.stderr() == ""


@pytest.mark.one_era("who ends the process asks for no era")
@SIGNALS
async def test_signals_wait_for_the_answer_to_a_paid_call_over_http(
    web: Web,
    services: tuple[str, Sandbox],
    tmp_path: Path,
    era: str,
    number: signal.Signals,
) -> None:
    held = len(services[1].held)
    call = tool(era, await session(web, era), "generate_song", description=f"x {SLOWLY_ACCEPTED}")
    with anyio.fail_after(HANGS_S):
        async with posted(web, call) as stream:
            while len(services[1].held) == held:
                await a_moment()
            web.process.send_signal(number)
            await until_hung_up(stream)
            with suppress(ProcessLookupError):  # on a busy machine it has ended already
                web.process.send_signal(number)
            assert await web.process.wait() == 128 + number
    (task,) = await journal(tmp_path)
    assert (task.status, task.charged) == ("pending", "yes")
    assert task.task_id
    assert web.stderr() == ""


async def until_hung_up(stream: anyio.abc.SocketStream) -> None:
    try:
        while True:
            await stream.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        pass


@pytest.mark.no_client
async def test_nobody_is_answered_any_more_while_the_end_is_waited_for(
    web: Web, services: tuple[str, Sandbox]
) -> None:
    held = len(services[1].held)
    call = tool("2026-07-28", "", "generate_song", description=f"x {SLOWLY_ACCEPTED}")
    with anyio.fail_after(HANGS_S):
        async with posted(web, call) as stream:
            while len(services[1].held) == held:
                await a_moment()
            web.process.terminate()
            await until_hung_up(stream)
            with pytest.raises(OSError, match="connect"):
                await anyio.connect_tcp(web.host, web.port)
            await web.process.wait()


# Delivered or not ----------------------------------------------------------------------------


def is_delivered(web: Web, words: str) -> list[bool]:
    """Of each task made from this description, whether its end counts as delivered."""
    with sqlite3.connect(web.log.parent / "home" / "journal.sqlite3") as db:
        rows = db.execute("SELECT delivered_at FROM tasks WHERE description = ?", [words])
        found = [row[0] is not None for row in rows]
    db.close()
    return found


async def until_kept(web: Web, words: str) -> None:
    """Wait until the task made from this description has ended and its audio is saved."""
    while True:
        tasks = [task for task in await journal(web.log.parent) if task.description == words]
        if [task.has_nothing_to_save and not task.is_open for task in tasks] == [True]:
            return
        await a_moment()


def payments(sandbox: Sandbox, words: str) -> int:
    """Count the paid requests with these words; other tests of the module use the same services."""
    return sum(words in json.dumps(dict(each.body)) for each in sandbox.accepted)


STREAMED = pytest.mark.parametrize("progress", [False, True], ids=["plain", "streamed"])


@STREAMED
async def test_an_end_that_a_client_read_is_delivered_and_the_next_request_pays(
    shared: Web, services: tuple[str, Sandbox], era: str, *, progress: bool
) -> None:
    known = await session(shared, era)
    words = f"read {era} {progress}"
    call = tool(era, known, "generate_song", progress=progress, description=words, wait_seconds=55)
    with anyio.fail_after(HANGS_S):
        async with posted(shared, call) as stream:
            answer = await until_heard(stream, COMPLETED)
            assert (b"notifications/progress" in answer) == progress
            again = await called(shared, era, known, description=words, wait_seconds=0)
        while payments(services[1], words) < 2:  # the second may still be on its way
            await a_moment()
    assert is_delivered(shared, words) == [True, False]
    assert "cost nothing" not in again
    assert payments(services[1], words) == 2


@STREAMED
async def test_a_client_that_left_before_the_answer_joins_with_the_same_request(
    shared: Web, services: tuple[str, Sandbox], era: str, *, progress: bool
) -> None:
    known = await session(shared, era)
    words = f"left {era} {progress}"
    call = tool(era, known, "generate_song", progress=progress, description=words, wait_seconds=55)
    with anyio.fail_after(HANGS_S):
        async with posted(shared, call):
            while payments(services[1], words) == 0:
                await a_moment()
        await until_kept(shared, words)
        for _ in range(5):  # time in which an answer that nobody reads could be written
            await asked(shared, era, known, "tools/list", {})
        assert is_delivered(shared, words) == [False]
        known = await session(shared, era)
        again = await called(shared, era, known, description=words, wait_seconds=55)
    assert "cost nothing" in again
    assert "completed" in again
    assert payments(services[1], words) == 1


@STREAMED
async def test_another_take_whose_client_left_is_joined_by_the_same_call(
    shared: Web, services: tuple[str, Sandbox], era: str, *, progress: bool
) -> None:
    """The call of an older client goes on without it, for as long as it was to wait."""
    known = await session(shared, era)
    words = f"left alone {era} {progress} {NEVER_DONE}"
    wish: Json = {"description": words, "another_take": True}
    call = tool(era, known, "generate_song", progress=progress, wait_seconds=55, **wish)
    with anyio.fail_after(HANGS_S):
        async with posted(shared, call):
            while payments(services[1], words) == 0:
                await a_moment()
        again = await called(shared, era, known, wait_seconds=0, **wish)
        assert "cost nothing" in again
        assert payments(services[1], words) == 1
        assert "cost nothing" not in await called(shared, era, known, wait_seconds=0, **wish)
    assert payments(services[1], words) == 2


async def called(web: Web, era: str, session: str, **arguments: Any) -> str:  # noqa: ANN401 - JSON
    """Call generate_song and read the answer to its end."""
    params = {"name": "generate_song", "arguments": arguments}
    return await asked(web, era, session, "tools/call", params)


async def asked(web: Web, era: str, session: str, method: str, params: Json) -> str:
    """Send a request and read the answer to its end."""
    headers, body = request(era, method, params, session)
    async with httpx.AsyncClient(timeout=HANGS_S) as http:
        return (await http.post(web.url, json=body, headers=headers)).text


async def test_a_client_that_left_joins_with_its_wish_in_other_words_and_with_no_other_wish(
    shared: Web, services: tuple[str, Sandbox], era: str
) -> None:
    """The call of an older client goes on without it; its task counts as cut off at once."""
    known = await session(shared, era)
    name = f"ferry{era.replace('-', 'x')}"
    wish = f"a slow ballad about the {name} at night {NEVER_DONE}"
    call = tool(era, known, "generate_song", description=wish, wait_seconds=55)
    with anyio.fail_after(HANGS_S):
        async with posted(shared, call):
            while payments(services[1], name) == 0:
                await a_moment()
        near = f"The {name}: slow ballad, night {NEVER_DONE}"
        again = await called(shared, era, known, description=near, wait_seconds=0)
        assert "If the user wants a different song as well, say another_take" in again
        assert payments(services[1], name) == 1
        other = f"a slow ballad about the {name} and her captain's old dog {NEVER_DONE}"
        await called(shared, era, known, description=other, wait_seconds=0)
        assert payments(services[1], name) == 2
