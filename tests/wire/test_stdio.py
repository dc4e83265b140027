"""song-mcp as clients meet it: a child process over stdio, against the sandbox, in real time."""

import base64
import json
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated
from mcp.types import INVALID_PARAMS, METHOD_NOT_FOUND, BlobResourceContents, TextResourceContents

from song_mcp.clock import Clock
from song_mcp.journal import Journal
from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from song_mcp.sandbox.state import Rules, Sandbox
from song_mcp.songs import Task
from tests import eras
from tests.children import process
from tests.faults.canaries import GPTGE_KEY, PIAPI_KEY
from tests.harvest import echoed
from tests.house import House, environment, uri_of
from tests.limits import HANGS_S
from tests.voice import beep
from tests.waiting import a_moment
from tests.wire.child import HELLO, SHOWS_PAGES, SONG_MCP, Child, started
from tests.wire.web import serving

Json = dict[str, Any]

KEYS = (PIAPI_KEY, GPTGE_KEY)
NEVER_DONE = "[[slow:1000]]"
NEVER_ANSWERED = "[[timeout:600]]"
SLOWLY_ACCEPTED = "[[timeout:1]]"


@pytest.fixture(scope="module")
async def services() -> AsyncIterator[tuple[str, Sandbox]]:
    """The sandbox's address, and the sandbox, which records what arrives."""
    app = build_app(1.0, rules=Rules(clip_seconds=1.0, extension_seconds=0.5), press=beep)
    async with running(echoed(app)) as base_url:
        yield base_url, app.state.sandbox


async def test_wrong_settings_end_no_server(tmp_path: Path) -> None:
    wrong = {
        "PIAPI_API_KEY": "${env:PIAPI_API_KEY}",
        "GPTGE_API_KEY": GPTGE_KEY,
        "SONG_MCP_LIBRARY": "songs",
        "SONG_MCP_PROXY": "${user_config.proxy}",
    }
    async with started(tmp_path, wrong) as child:
        await child.hello()
        tools = (await child.ask("tools/list", {}))["result"]["tools"]
        song = await child.tool("generate_song", description="waltz", model="suno")
        state = await child.tool("check_account")
        listed = await child.tool("list_songs")
        await child.hang_up()
        assert await child.ended() == 0
    assert len(tools) > 5
    assert (song["isError"], state.get("isError", False), listed.get("isError", False)) == (
        True,
        False,
        False,
    )
    for text in (json.dumps(song), json.dumps(state), child.stderr()):
        for name in ("PIAPI_API_KEY: is not a key", "SONG_MCP_LIBRARY: must be a folder"):
            assert name in text
        assert GPTGE_KEY not in text
    for text in (json.dumps(state), child.stderr()):
        assert "SONG_MCP_PROXY: was left empty" in text


# With the SDK's client -----------------------------------------------------------------------


@pytest.fixture(scope="module")
async def house(
    services: tuple[str, Sandbox], era: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    """A server in a process of its own for each protocol era, shared by the tests below."""
    folder = tmp_path_factory.mktemp(era)
    async with connected(folder, services) as house:
        yield house
    assert (folder / "stderr.txt").read_text(encoding="utf-8") == ""


@asynccontextmanager
async def connected(folder: Path, services: tuple[str, Sandbox]) -> AsyncIterator[House]:
    base_url, sandbox = services
    server = StdioServerParameters(
        command=SONG_MCP[0],
        args=list(SONG_MCP[1:]),
        env={"HOME": str(folder), **environment(folder, base_url)},
    )
    with (folder / "stderr.txt").open("a", encoding="utf-8") as stderr:
        async with eras.connected(stdio_client(server, stderr)) as (client, ear):
            yield House(client, sandbox, folder, base_url, Clock(), ear)


@pytest.fixture(scope="module")
async def songs(house: House) -> dict[str, Json]:
    """A song of each service, made at the same time."""
    made: dict[str, Json] = {}

    async def make(service: str, model: str) -> None:
        made[service] = await house.ok("generate_song", description=f"{service} waltz", model=model)

    with anyio.fail_after(HANGS_S):
        async with anyio.create_task_group() as group:
            group.start_soon(make, "piapi", "udio")
            group.start_soon(make, "gptge", "suno-v5")
    return made


@pytest.fixture(scope="module")
async def longer(house: House, songs: dict[str, Json]) -> dict[str, Json]:
    """Each song's first clip continued, both at the same time."""
    made: dict[str, Json] = {}

    async def extend(service: str) -> None:
        clip = songs[service]["clips"][0]["clip_id"]
        made[service] = await house.ok("extend_song", clip_id=clip, description="strings")

    with anyio.fail_after(HANGS_S):
        async with anyio.create_task_group() as group:
            for service in songs:
                group.start_soon(extend, service)
    return made


async def test_the_server_says_who_it_is(house: House, era: str) -> None:
    assert house.client.protocol_version == era
    assert house.client.server_info is not None
    assert house.client.server_info.name == "song-mcp"
    assert "list_songs" in (house.client.instructions or "")


async def test_all_tools_are_listed(house: House) -> None:
    assert [tool.name for tool in (await house.client.list_tools()).tools] == [
        "generate_song",
        "extend_song",
        "cover_song",
        "get_task",
        "fetch_suno_task",
        "join_song",
        "generate_lyrics",
        "list_songs",
        "play_song",
        "check_account",
        "resolve_task",
    ]


@pytest.mark.only_in(eras.MODERN)
async def test_each_request_of_a_pipe_says_whether_its_client_shows_pages(tmp_path: Path) -> None:
    async with started(tmp_path, environment(tmp_path, "http://127.0.0.1:9")) as child:
        for capabilities, shows_pages in (({}, False), (SHOWS_PAGES, True), ({}, False)):
            child.capabilities = capabilities
            tools = (await child.ask("tools/list", {}))["result"]["tools"]
            assert ("read_clip" in {tool["name"] for tool in tools}) is shows_pages
            told = await child.tool("read_clip", clip_id="c1")
            assert ("no clip" in told["content"][0]["text"]) is shows_pages
        await child.hang_up()
        assert await child.ended() == 0


@pytest.mark.parametrize("service", ["piapi", "gptge"])
async def test_a_song_is_made_and_kept(house: House, songs: dict[str, Json], service: str) -> None:
    song = songs[service]
    assert (song["status"], song["service"], song["charged"]) == ("completed", service, "yes")
    assert len(song["clips"]) == 2
    for clip in song["clips"]:
        assert Path(clip["file"]).is_file()
        assert Path(clip["file"]).parent == house.folder / "library"


async def test_a_waiting_call_tells_how_it_stands_before_it_is_answered(house: House) -> None:
    told: list[tuple[float | None, str | None]] = []
    is_told = anyio.Event()

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append((total, message))
        is_told.set()

    arguments = {"description": f"x {NEVER_DONE}", "wait_seconds": 55}
    call = partial(house.client.call_tool, "generate_song", arguments, progress_callback=note)
    with anyio.fail_after(HANGS_S):
        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await is_told.wait()
            group.cancel_scope.cancel()
    assert all(total is None and "song" in (message or "") for total, message in told)


@pytest.mark.one_era("songs are made behind the protocol")
@pytest.mark.parametrize("service", ["piapi", "gptge"])
async def test_a_clip_is_continued_where_it_was_made(longer: dict[str, Json], service: str) -> None:
    task = longer[service]
    assert (task["kind"], task["status"], task["service"]) == ("extension", "completed", service)
    assert all(Path(clip["file"]).is_file() for clip in task["clips"])


async def test_a_task_is_looked_up_again(house: House, songs: dict[str, Json]) -> None:
    for song in songs.values():
        again = await house.ok("get_task", task_id=song["task_id"])
        assert again["clips"] == song["clips"]


async def test_songs_are_found_by_a_word(house: House, songs: dict[str, Json]) -> None:
    found = await house.ok("list_songs", query="waltz")
    ids = {task["task_id"] for task in found["tasks"]}
    assert ids == {song["task_id"] for song in songs.values()}


async def test_each_finished_clip_is_a_resource(house: House, songs: dict[str, Json]) -> None:
    listed = {resource.uri for resource in (await house.client.list_resources()).resources}
    assert listed >= {uri_of(clip) for song in songs.values() for clip in song["clips"]}


@pytest.mark.parametrize("service", ["piapi", "gptge"])
async def test_a_clips_resource_tells_of_it_and_its_task(
    house: House, songs: dict[str, Json], service: str
) -> None:
    clip = songs[service]["clips"][0]
    (content,) = (await house.client.read_resource(uri_of(clip))).contents
    assert isinstance(content, TextResourceContents)
    about = json.loads(content.text)
    assert content.mime_type == "application/json"
    assert about["file"] == clip["file"]
    assert about["task"]["task_id"] == songs[service]["task_id"]


@pytest.mark.parametrize("service", ["piapi", "gptge"])
async def test_a_clips_audio_is_the_bytes_of_its_file(
    house: House, songs: dict[str, Json], service: str
) -> None:
    clip = songs[service]["clips"][1]
    (content,) = (await house.client.read_resource(f"{uri_of(clip)}/audio")).contents
    assert isinstance(content, BlobResourceContents)
    assert content.mime_type == "audio/mpeg"
    assert base64.b64decode(content.blob) == Path(clip["file"]).read_bytes()


async def test_a_refusal_is_an_error_that_says_nothing_was_charged(house: House) -> None:
    result = await house.call("generate_song", description="x [[insufficient-credits]]")
    assert result.is_error
    assert result.structured_content is not None
    assert (result.structured_content["status"], result.structured_content["charged"]) == (
        "rejected",
        "no",
    )


async def test_a_lost_answer_leaves_the_task_in_doubt(house: House) -> None:
    result = await house.call("generate_song", description="x [[html-502:accepted]]")
    assert result.is_error
    assert result.structured_content is not None
    assert result.structured_content["status"] == "in_doubt"


async def test_an_argument_nobody_knows_is_refused_unpaid(house: House) -> None:
    paid = len(house.posts())
    assert "did you mean description?" in await house.error("generate_song", descripton="x")
    assert len(house.posts()) == paid


async def test_an_unknown_task_is_an_error_that_says_where_to_look(house: House) -> None:
    assert "list_songs" in await house.error("get_task", task_id="nobody-knows")


async def test_an_unknown_clip_is_an_error_of_the_protocol(house: House) -> None:
    with pytest.raises(MCPError, match='no clip "nobody-knows"') as caught:
        await house.client.read_resource("song://clips/nobody-knows")
    assert caught.value.error.code == INVALID_PARAMS


@pytest.mark.one_era("the journal knows of no era")
async def test_another_process_finds_what_this_one_made(
    house: House, songs: dict[str, Json], services: tuple[str, Sandbox]
) -> None:
    song = songs["piapi"]
    clip = song["clips"][0]
    asked = asked_about(song, house.sandbox)
    async with connected(house.folder, services) as other:
        listed = await other.ok("list_songs", query=song["task_id"])
        assert listed["total"] == 1
        assert (await other.ok("get_task", task_id=song["task_id"]))["clips"] == song["clips"]
        (content,) = (await other.client.read_resource(f"{uri_of(clip)}/audio")).contents
        assert isinstance(content, BlobResourceContents)
        assert base64.b64decode(content.blob) == Path(clip["file"]).read_bytes()
    assert asked_about(song, house.sandbox) == asked


def asked_about(song: Json, sandbox: Sandbox) -> int:
    """How often the services were asked for a task; other tasks may still be polled."""
    return len([each for each in sandbox.requests if song["task_id"] in each.path])


async def test_what_another_process_makes_is_told(
    house: House, services: tuple[str, Sandbox]
) -> None:
    async with connected(house.folder, services) as other:
        house.ear.so_far()  # of the songs of other tests
        song = await other.ok("generate_song", description="told", wait_seconds=0)
        task = ResourceUpdated(uri=f"song://tasks/{song['task_id']}")
        async with house.ear.listening(task.uri) as ear:
            assert set(await ear.until(task, ResourcesListChanged())) == {
                task,
                ResourcesListChanged(),
            }
        done = await other.ok("get_task", task_id=song["task_id"])
        listed = (await house.client.list_resources()).resources
    assert {uri_of(clip) for clip in done["clips"]} <= {each.uri for each in listed}


# Over bare pipes -----------------------------------------------------------------------------


@pytest.fixture
def variables(services: tuple[str, Sandbox], tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path, services[0])


@pytest.fixture
async def child(tmp_path: Path, variables: dict[str, str]) -> AsyncIterator[Child]:
    """A server that has shaken hands."""
    async with started(tmp_path, variables) as process:
        await process.hello()
        yield process


async def submission_in_flight(child: Child, sandbox: Sandbox, marker: str) -> int:
    """Begin a paid call whose answer the sandbox holds back; returns the request's id."""
    held = len(sandbox.held)
    arguments = {"description": f"x {marker}", "wait_seconds": 55}
    request = await child.request("tools/call", {"name": "generate_song", "arguments": arguments})
    while len(sandbox.held) == held:
        await a_moment()
    return request


async def poll_under_way(child: Child) -> int:
    """Begin to wait for a song that is never done; returns the request's id."""
    song = await child.tool("generate_song", description=f"x {NEVER_DONE}", wait_seconds=0)
    params = {
        "name": "get_task",
        "arguments": {"task_id": song["structuredContent"]["task_id"], "wait_seconds": 55},
        "_meta": {"progressToken": "poll"},
    }
    request = await child.request("tools/call", params)
    while json.loads(await child.line()).get("method") != "notifications/progress":
        pass
    return request


async def journal(folder: Path) -> list[Task]:
    """What the journal on disk says, read without the server."""
    file = Journal(folder / "home" / "journal.sqlite3", Clock().now)
    try:
        return list((await file.search("", 50)).tasks)
    finally:
        await file.close()


BAD_LINES = [
    b"not json",
    b"",
    b'{"jsonrpc":"2.0"',
    b"\xff\xfe\x80\xc3\x28",
    b"[]",
    b"null",
    b"[" * 100_000,
    b'{"jsonrpc":"1.0","id":900,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":901,"method":"no/such/method"}',
    b'{"jsonrpc":"2.0","id":902,"method":"tools/call","params":[1]}',
    b'{"jsonrpc":"2.0","id":903,"method":"tools/call","params":{"arguments":"x"}}',
    b'{"jsonrpc":"2.0","id":904,"result":{}}',
    b'{"jsonrpc":"2.0","method":"notifications/nobody-knows"}',
    b'{"jsonrpc":"2.0","id":905,"method":"resources/read","params":{"uri":"http://x/?token=query"}}',
    b'{"jsonrpc":"2.0","id":906,"method":"tools/call","params":{"name":"\xff\xff"}}',
    b'{"jsonrpc":"2.0","id":907,"method":"tools/call","params":{"name":"\\ud800\\u0000"}}',
]


async def test_stdout_carries_messages_of_the_protocol_alone(child: Child, era: str) -> None:
    song = await child.tool("generate_song", description="x", wait_seconds=0)
    assert song["structuredContent"]["status"] in {"pending", "processing"}
    assert (await child.tool("generate_song", description="x [[401]]"))["isError"]
    assert (await child.tool("no_such_tool"))["isError"]
    for line in BAD_LINES:
        await child.send(line)
    assert (await child.tool("list_songs"))["structuredContent"]["total"] == 2
    await child.hang_up()
    assert await child.ended() == 0
    assert child.stderr() == ""
    answers = {message["id"]: message for message in child.messages() if "id" in message}
    assert all("error" in answers[number] for number in (901, 903, 905))
    if era == eras.LEGACY:
        assert answers[901]["error"]["code"] == METHOD_NOT_FOUND
        assert answers[906]["result"]["isError"]
    else:  # a message without the era's envelope is refused, whatever it is
        assert answers[901]["error"]["code"] == answers[906]["error"]["code"] == INVALID_PARAMS


LOUD = """
import logging, sys
logging.basicConfig(level=logging.DEBUG)
from song_mcp.cli import main
sys.exit(main([]))
"""


async def test_neither_stdout_nor_the_loudest_log_has_a_key_or_an_address(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    command = (sys.executable, "-c", LOUD)
    with anyio.fail_after(HANGS_S):
        async with started(tmp_path, variables, command) as loud:
            await loud.hello()
            song = await loud.tool("generate_song", description="x", wait_seconds=55)
            assert song["structuredContent"]["clips"][0]["file"]
            await go_wrong_in_every_way(loud)
            await loud.hang_up()
            assert await loud.ended() == 0
    said = loud.stderr()
    assert "DEBUG" in said
    assert not [word for word in (*KEYS, variables["PIAPI_BASE_URL"], "/media/") if word in said]
    assert not [key for key in KEYS if key in str(loud.lines)]


async def go_wrong_in_every_way(child: Child) -> None:
    for marker in ("[[401]]", "[[reset]]", "[[html-502:accepted]]", "[[500-failed-task]]"):
        await child.tool("generate_song", description=f"x {marker}", model="udio")
    for marker in ("[[401-openai-style]]", "[[nested-json-message]]", "[[html-200]]"):
        await child.tool("generate_song", description=f"x {marker}", model="suno-v5")
    for line in BAD_LINES:
        await child.send(line)


NOISY = """
import os, sys
def noise(event, _):
    if event == "sqlite3.connect":
        print("printed", flush=True)
        os.write(1, b"written\\n")
        os.system("echo said by a child")
from song_mcp.cli import main
sys.addaudithook(noise)
sys.exit(main([]))
"""


@pytest.mark.one_era("stdout is taken before anything is said")
async def test_what_is_printed_while_serving_goes_to_stderr(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    command = (sys.executable, "-c", NOISY)
    with anyio.fail_after(HANGS_S):
        async with started(tmp_path, variables, command) as noisy:
            await noisy.hello()
            assert (await noisy.tool("list_songs"))["structuredContent"]["total"] == 0
            await noisy.hang_up()
            assert await noisy.ended() == 0
    assert [message["jsonrpc"] for message in noisy.messages()] == ["2.0", "2.0"]
    assert {"printed", "written", "said by a child"} <= set(noisy.stderr().splitlines())


TALKATIVE = """
import logging, sys, warnings
def talk(event, _):
    if event == "sqlite3.connect":
        for number in range(2_000):
            print("printed", number, file=sys.stderr)
            logging.getLogger("song_mcp").error("fault %d", number)
        warnings.warn("warned " * 20_000)
from song_mcp.cli import main
sys.addaudithook(talk)
sys.exit(main([]))
"""


@pytest.mark.one_era("stderr is not the protocol")
async def test_a_client_that_never_reads_stderr_is_served_and_can_end_the_server(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    async with process(
        (sys.executable, "-c", TALKATIVE), cwd=tmp_path, env={"HOME": str(tmp_path), **variables}
    ) as running:
        talkative = Child(running, tmp_path / "none")
        with anyio.fail_after(HANGS_S):
            await talkative.hello()
            song = await talkative.tool("generate_song", description="x", wait_seconds=55)
            assert song["structuredContent"]["clips"][0]["file"], "it is paid for, and saved"
            assert (await talkative.tool("list_songs"))["structuredContent"]["total"] == 1
            await talkative.hang_up()
            assert await talkative.ended() == 0


@pytest.mark.one_era("keys are looked for behind the protocol")
async def test_without_any_key_the_server_starts_and_lists_its_tools(tmp_path: Path) -> None:
    values = {"SONG_MCP_HOME": str(tmp_path / "home"), "SONG_MCP_LIBRARY": str(tmp_path)}
    with anyio.fail_after(HANGS_S):
        async with started(tmp_path, values) as keyless:
            await keyless.hello()
            tools = (await keyless.ask("tools/list", {}))["result"]["tools"]
            refusal = await keyless.tool("generate_song", description="x")
    assert len(tools) == 11
    assert refusal["isError"]
    assert "PIAPI_API_KEY" in refusal["content"][0]["text"]


# The end -------------------------------------------------------------------------------------


def is_answered(child: Child, request: int) -> bool:
    """Whether a call got its result, as it does after all its time to wait."""
    return any(message.get("id") == request and "result" in message for message in child.messages())


async def test_the_end_of_stdin_ends_an_idle_server(child: Child) -> None:
    with anyio.fail_after(HANGS_S):
        await child.hang_up()
        assert await child.ended() == 0
    assert child.stderr() == ""


async def test_the_end_of_stdin_ends_a_poll_before_its_time(child: Child, tmp_path: Path) -> None:
    request = await poll_under_way(child)
    with anyio.fail_after(HANGS_S):
        await child.hang_up()
        assert await child.ended() == 0
    assert not is_answered(child, request)
    assert child.stderr() == ""
    assert [task.is_open for task in await journal(tmp_path)] == [True]


async def test_after_the_end_of_stdin_nothing_is_written_but_answers(child: Child) -> None:
    """Older clients raise an error at whatever comes when they have gone, so no call is told of."""
    await poll_under_way(child)
    refused = await child.request("prompts/get", {"name": "nobody-knows"})
    listed = await child.request("tools/list", {})
    before = len(child.lines)
    await child.hang_up()
    with anyio.fail_after(HANGS_S):
        assert await child.ended() == 0
    late = child.messages()[before:]
    said = {(each.get("id"), "error" in each) for each in late}
    assert said == {(refused, True), (listed, False)}, "the error answers what was asked"


@pytest.mark.one_era("submissions are waited for behind the protocol")
async def test_an_answer_after_the_end_of_stdin_is_still_written_down(
    child: Child, services: tuple[str, Sandbox], tmp_path: Path
) -> None:
    await submission_in_flight(child, services[1], SLOWLY_ACCEPTED)
    await child.hang_up()
    with anyio.fail_after(HANGS_S):
        assert await child.ended() == 0
    (task,) = await journal(tmp_path)
    assert (task.status, task.charged) == ("pending", "yes")
    assert task.task_id
    assert child.stderr() == ""


@pytest.mark.one_era("submissions are waited for behind the protocol")
async def test_an_answer_that_never_comes_after_the_end_of_stdin_is_a_doubt(
    child: Child, services: tuple[str, Sandbox], tmp_path: Path
) -> None:
    await submission_in_flight(child, services[1], NEVER_ANSWERED)
    await child.hang_up()
    with anyio.fail_after(HANGS_S):
        assert [task.status for task in await journal(tmp_path)] == ["submitting"]
        break_connections(services[1])
        assert await child.ended() == 0
    assert [task.status for task in await journal(tmp_path)] == ["in_doubt"]


def break_connections(sandbox: Sandbox) -> None:
    """Drop every answer that is held back, as a failing network does."""
    for transport in filter(None, list(sandbox.held)):
        transport.abort()


async def test_a_client_that_vanishes_leaves_no_traceback(child: Child, tmp_path: Path) -> None:
    await poll_under_way(child)
    assert child.process.stdout is not None
    await child.process.stdout.aclose()
    await child.hang_up()
    with anyio.fail_after(HANGS_S):
        assert await child.process.wait() == 0
    assert child.stderr() == ""
    assert [task.is_open for task in await journal(tmp_path)] == [True]


SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@pytest.mark.one_era("who ends the process asks for no era")
@SIGNALS
async def test_a_signal_ends_a_poll_before_its_time(child: Child, number: signal.Signals) -> None:
    request = await poll_under_way(child)
    child.process.send_signal(number)
    with anyio.fail_after(HANGS_S):
        assert await child.ended() == 128 + number
    assert not is_answered(child, request)
    assert child.stderr() == ""


@pytest.mark.one_era("who ends the process asks for no era")
@SIGNALS
async def test_signals_wait_for_the_answer_to_a_paid_request(
    child: Child, services: tuple[str, Sandbox], tmp_path: Path, number: signal.Signals
) -> None:
    request = await submission_in_flight(child, services[1], SLOWLY_ACCEPTED)
    child.process.send_signal(number)
    with anyio.fail_after(HANGS_S):
        assert "error" in await child.answer(request)
        with suppress(ProcessLookupError):  # on a busy machine it has ended already
            child.process.send_signal(number)
        assert await child.ended() == 128 + number
    assert [task.status for task in await journal(tmp_path)] == ["pending"]
    assert child.stderr() == ""


@pytest.mark.one_era("who ends the process asks for no era")
async def test_signals_after_the_end_of_stdin_change_nothing(
    child: Child, services: tuple[str, Sandbox], tmp_path: Path
) -> None:
    await submission_in_flight(child, services[1], SLOWLY_ACCEPTED)
    await child.hang_up()
    with anyio.fail_after(HANGS_S), suppress(ProcessLookupError):  # as above
        while child.process.returncode is None:
            child.process.terminate()
            await a_moment()
    assert [task.status for task in await journal(tmp_path)] == ["pending"]


@pytest.mark.one_era("the journal knows of no era")
async def test_an_open_task_of_a_killed_server_is_taken_up_by_the_next(
    child: Child, variables: dict[str, str], tmp_path: Path
) -> None:
    song = await child.tool("generate_song", description="x", wait_seconds=0)
    child.process.kill()
    assert await child.ended() == -signal.SIGKILL
    with anyio.fail_after(HANGS_S):
        async with started(tmp_path, variables) as heir:
            await heir.hello()
            task_id = song["structuredContent"]["task_id"]
            found = await heir.tool("get_task", task_id=task_id, wait_seconds=55)
    task = found["structuredContent"]
    assert (task["task_id"], task["status"]) == (task_id, "completed")
    assert all(Path(clip["file"]).is_file() for clip in task["clips"])


@pytest.mark.one_era("nobody asks for anything")
async def test_a_song_is_saved_by_the_next_process_of_any_kind_unasked(
    child: Child, variables: dict[str, str], tmp_path: Path
) -> None:
    """Its own process ends after its answer, the next is killed while it saves, one more serves."""
    description = "x [[media-503-first]]"  # so that saving takes 2 s
    with anyio.fail_after(HANGS_S):
        await child.tool("generate_song", description=description, wait_seconds=0)
        await child.hang_up()
        assert await child.ended() == 0
        async with started(tmp_path, variables) as second:
            while not clips(tmp_path, "save_owner != ''"):
                await a_moment()
            second.process.kill()
            await second.ended()
        assert (clips(tmp_path, "file = ''"), second.lines) == (2, [])
        async with serving(tmp_path, variables):
            while clips(tmp_path, "file != ''") < 2:
                await a_moment()
    (task,) = await journal(tmp_path)
    assert all(clip.file and clip.file.is_file() for clip in task.clips)


def clips(folder: Path, which: str) -> int:
    """How many clips of the journal are so."""
    with sqlite3.connect(folder / "home" / "journal.sqlite3") as db:
        (found,) = db.execute(f"SELECT count(*) FROM clips WHERE {which}").fetchone()  # noqa: S608
    db.close()
    return int(found)


# Delivered or not ----------------------------------------------------------------------------


async def until_ended(folder: Path) -> None:
    while [task.is_open for task in await journal(folder)] != [False]:
        await a_moment()


def deliveries(folder: Path) -> list[bool]:
    """Of each task, whether its end counts as delivered."""
    with sqlite3.connect(folder / "home" / "journal.sqlite3") as db:
        found = [row[0] is not None for row in db.execute("SELECT delivered_at FROM tasks")]
    db.close()
    return found


async def test_an_end_that_was_written_out_counts_as_delivered(
    child: Child, tmp_path: Path
) -> None:
    song = await child.tool("generate_song", description="x", wait_seconds=55)
    assert song["structuredContent"]["status"] == "completed"
    with anyio.fail_after(HANGS_S):
        while deliveries(tmp_path) != [True]:
            await a_moment()
    again = await child.tool("generate_song", description="x", wait_seconds=0)
    assert again["structuredContent"]["task_id"] != song["structuredContent"]["task_id"]


async def test_a_cancelled_call_delivers_nothing_and_its_repetition_joins(
    child: Child, tmp_path: Path, services: tuple[str, Sandbox]
) -> None:
    paid = len(services[1].accepted)
    arguments = {"description": "y", "wait_seconds": 55}
    params = {"name": "generate_song", "arguments": arguments}
    request = await child.request("tools/call", params)
    while len(services[1].accepted) == paid:
        await a_moment()
    await child.send({"method": "notifications/cancelled", "params": {"requestId": request}})
    with anyio.fail_after(HANGS_S):
        await until_ended(tmp_path)
        assert deliveries(tmp_path) == [False]
        again = await child.tool("generate_song", **arguments)
    assert again["structuredContent"]["status"] == "completed"
    assert "cost nothing" in again["structuredContent"]["note"]
    assert len(services[1].accepted) == paid + 1


async def test_a_client_that_died_before_the_end_is_told_it_by_the_next_server(
    child: Child, variables: dict[str, str], tmp_path: Path, services: tuple[str, Sandbox]
) -> None:
    paid = len(services[1].accepted)
    arguments = {"description": "z", "wait_seconds": 55}
    await child.request("tools/call", {"name": "generate_song", "arguments": arguments})
    while len(services[1].accepted) == paid:
        await a_moment()
    assert child.process.stdout is not None
    await child.process.stdout.aclose()
    with anyio.fail_after(HANGS_S):
        await until_ended(tmp_path)
        await child.hang_up()
        await child.process.wait()
        async with started(tmp_path, variables) as heir:
            await heir.hello()
            again = await heir.tool("generate_song", **arguments)
    assert "cost nothing" in again["structuredContent"]["note"]
    assert len(services[1].accepted) == paid + 1


@pytest.mark.one_era("the journal knows of no era")
async def test_a_submission_of_a_killed_server_is_a_doubt_to_the_next(
    child: Child, variables: dict[str, str], tmp_path: Path, services: tuple[str, Sandbox]
) -> None:
    await submission_in_flight(child, services[1], NEVER_ANSWERED)
    child.process.kill()
    await child.ended()
    assert [task.status for task in await journal(tmp_path)] == ["submitting"]
    with anyio.fail_after(HANGS_S):
        async with started(tmp_path, variables) as heir:
            await heir.hello()
            while [task.status for task in await journal(tmp_path)] != ["in_doubt"]:
                await a_moment()
            (task,) = (await heir.tool("list_songs"))["structuredContent"]["tasks"]
    assert task["charged"] == "unknown"
    assert "may have been accepted and charged" in task["error"]


@pytest.mark.only_in(eras.LEGACY)
async def test_an_older_client_is_told_from_when_it_is_initialized_and_once(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    task_uri = {"uri": "song://tasks/nobody-yet"}
    with anyio.fail_after(HANGS_S):
        async with started(tmp_path, variables) as early:
            await early.ask("initialize", HELLO)
            refused = await early.ask("resources/subscribe", task_uri)
            for _ in range(3):
                await early.send({"method": "notifications/initialized"})
            taken = await early.ask("resources/subscribe", task_uri)
            await early.ask("resources/unsubscribe", {"uri": "song://tasks/never-subscribed"})
            await early.tool("generate_song", description="told", wait_seconds=55)
            await early.hang_up()
            assert await early.ended() == 0
    assert refused["error"]["code"] == INVALID_PARAMS
    assert "notifications/initialized" in refused["error"]["message"]
    assert taken["result"] == {}
    told = [message["method"] for message in early.messages() if "method" in message]
    assert set(told) == {"notifications/resources/list_changed"}
    assert len(told) <= 3, "one when the clips land, one for each that is saved"
    assert early.stderr() == ""
