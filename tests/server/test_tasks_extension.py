"""Handles: paid calls of clients that take them, and what the holders may ask."""

import json
import re
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
import uvicorn
from jsonschema import Draft202012Validator
from mcp import Client
from mcp.client.extension import advertise
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult

from song_mcp.compose import open_studio
from song_mcp.server.app import SongServer, build_server
from song_mcp.settings import Settings
from tests.eras import APPS, LEGACY, MODERN
from tests.holder import IDENTIFIER, Handle, Holder, Json, ask, begin, end_of
from tests.house import ENDLESS_S, House, environment, open_house, text
from tests.limits import HANGS_S
from tests.waiting import a_moment
from tests.wire.child import started

pytestmark = pytest.mark.only_in(MODERN)  # an older protocol has no handles

LOCAL_ID = re.compile(r"local-[0-9a-f]{20}")
NEVER_DONE = "[[slow:100000]]"
UNANSWERED = {"description": "[[timeout:60]]", "model": "suno-v5"}
"""At a service without a history, which would be asked about it first."""
ANSWERED_LATE = "[[timeout:1]]"
STRANGERS = (
    "local-00000000000000000000",
    "local-1",
    "no-task",
    "",
    "x" * 100_000,
    "local-0000000000000000000\n",
)
"""Ids that somebody may guess, or make up."""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A house whose client takes handles."""
    async with open_house(tmp_path) as opened, opened.another_client(extensions=[Holder()]) as ours:
        yield ours


def rows(house: House, table: str = "tasks") -> list[Json]:
    """A table of the journal, oldest row first, read without the server."""
    with closing(sqlite3.connect(house.folder / "home" / "journal.sqlite3")) as db:
        db.row_factory = sqlite3.Row
        query = f"SELECT * FROM {table} ORDER BY rowid"  # noqa: S608 - a table of ours
        return [dict(row) for row in db.execute(query)]


def are_saved(house: House) -> bool:
    clips = rows(house, "clips")
    return bool(clips) and all(clip["file"] for clip in clips)


async def until(done: Callable[[], bool]) -> None:
    with anyio.fail_after(HANGS_S):
        while not done():
            await a_moment()


async def get(house: House, task_id: str) -> Json:
    return await ask(house.client.session, "tasks/get", task_id)


async def cancel(house: House, task_id: str) -> Json:
    return await ask(house.client.session, "tasks/cancel", task_id)


async def end(house: House, task_id: str) -> Json:
    return await end_of(house.client.session, task_id)


async def code_of(call: Awaitable[object]) -> int:
    """The JSON-RPC code with which a call is refused."""
    with pytest.raises(MCPError) as caught:
        await call
    return int(caught.value.error.code)


def looks_at(house: House, service_id: str) -> int:
    """How often the services were asked for a task."""
    wanted = service_id.encode()
    return sum(
        service_id in item.path or (item.path.endswith("/fetch") and wanted in item.body)
        for item in list(house.sandbox.requests)
    )


# Handles ------------------------------------------------------------------------------------


async def test_a_handle_comes_when_the_journal_has_the_task_and_before_the_service_answers(
    house: House,
) -> None:
    handle = await begin(house.client, "generate_song", description=f"waltz {ANSWERED_LATE}")
    (row,) = rows(house)
    assert row["local_id"] == handle.task_id
    assert (row["status"], row["task_id"]) == ("submitting", "")
    assert handle.status == "working"
    found = await get(house, handle.task_id)
    assert found["statusMessage"] == "It is being submitted to PiAPI."


async def test_the_end_of_a_handle_holds_what_is_for_the_page_only_where_it_is_shown(
    house: House,
) -> None:
    handle = await begin(house.client, "generate_song", description="waltz")
    assert "song-mcp/player" not in json.dumps((await end(house, handle.task_id))["result"])
    async with house.another_client([Holder(), APPS]) as page:
        shown = (await end(page, handle.task_id))["result"]
        assert shown["_meta"]["song-mcp/player"]["description"] == "waltz"


async def test_a_handle_is_flat_and_says_how_often_to_ask(house: House) -> None:
    handle = await begin(house.client, "generate_song", description="waltz")
    sent = handle.model_dump(mode="json", by_alias=True)
    del sent["_meta"]
    assert set(sent) == {
        "resultType",
        "taskId",
        "status",
        "statusMessage",
        "createdAt",
        "lastUpdatedAt",
        "ttlMs",
        "pollIntervalMs",
    }
    assert LOCAL_ID.fullmatch(handle.task_id)
    assert handle.ttl_ms is None
    assert 2000 <= handle.poll_interval_ms <= 5000
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", handle.created_at)
    assert handle.last_updated_at >= handle.created_at


@pytest.mark.parametrize("model", ["udio", "suno-v5"])
async def test_the_end_is_what_get_task_gives(house: House, model: str) -> None:
    handle = await begin(house.client, "generate_song", description="waltz", model=model)
    found = await end(house, handle.task_id)
    assert (found["status"], found["resultType"]) == ("completed", "complete")
    result = CallToolResult.model_validate(found["result"])
    looked_up = await house.call("get_task", task_id=handle.task_id)
    assert result.structured_content == looked_up.structured_content
    assert result.content == looked_up.content
    assert not result.is_error
    assert result.structured_content is not None
    assert result.structured_content["task_id"] == rows(house)[0]["task_id"]
    assert [Path(clip["file"]).is_file() for clip in result.structured_content["clips"]] == [
        True,
        True,
    ]


async def test_every_tool_that_makes_a_task_answers_with_a_handle_and_no_other_does(
    house: House,
) -> None:
    song = await end(house, (await begin(house.client, "generate_song", description="x")).task_id)
    clip_id = song["result"]["structuredContent"]["clips"][0]["clip_id"]
    longer = await begin(house.client, "extend_song", clip_id=clip_id, description="strings")
    words = await begin(house.client, "generate_lyrics", topic="lamps", model="suno-v5")
    for handle in (longer, words):
        assert (await end(house, handle.task_id))["status"] == "completed"
    await house.ok("get_task", task_id=words.task_id)
    assert (await house.ok("list_songs"))["total"] == 3
    await house.ok("check_account")


async def test_a_client_that_waits_by_itself_gets_results_that_fit_the_schema(house: House) -> None:
    result = await house.call("generate_song", description="waltz")
    (tool,) = [t for t in (await house.client.list_tools()).tools if t.name == "generate_song"]
    assert tool.output_schema is not None
    Draft202012Validator(tool.output_schema).validate(result.structured_content)
    assert "completed" in text(result)


async def test_a_handle_passes_on_what_the_person_should_know_of_the_call(house: House) -> None:
    made = await end(
        house,
        (await begin(house.client, "generate_song", description="x", model="suno-v5")).task_id,
    )
    clip_id = made["result"]["structuredContent"]["clips"][0]["clip_id"]
    handle = await begin(house.client, "extend_song", clip_id=clip_id, description="strings")
    assert "this part is instrumental" in (handle.status_message or "")
    handle = await begin(house.client, "extend_song", clip_id="last", description="brass")
    assert f"clip {clip_id}; the other take" in (handle.status_message or "")


# Clients that take none ---------------------------------------------------------------------


async def test_a_client_that_declares_nothing_sees_no_difference(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        song = await house.ok("generate_song", description="waltz", wait_seconds=55)
        assert song["status"] == "completed"
        assert rows(house)[0]["task_id"] == song["task_id"]


async def test_an_older_client_that_declares_the_extension_gets_results_all_the_same(
    tmp_path: Path,
) -> None:
    async with (
        open_house(tmp_path, song_seconds=ENDLESS_S) as house,
        house.another_client([advertise(IDENTIFIER)], LEGACY) as older,
    ):
        assert older.client.server_capabilities.extensions is None
        song = await older.ok("generate_song", description="waltz", wait_seconds=0)
        assert song["status"] in {"pending", "processing"}
        assert await code_of(get(older, rows(house)[0]["local_id"])) == -32601


async def test_who_did_not_declare_the_extension_is_told_so(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.ok("generate_song", description="x", wait_seconds=0)
        handle = rows(house)[0]["local_id"]
        for method, more in METHODS.items():
            with pytest.raises(MCPError) as caught:
                await ask(house.client.session, method, handle, **more)
            assert caught.value.error.code == -32021
            assert caught.value.error.data == {
                "requiredCapabilities": {"extensions": {IDENTIFIER: {}}}
            }


METHODS: dict[str, Json] = {
    "tasks/get": {},
    "tasks/update": {"input_responses": {}},
    "tasks/cancel": {},
}


async def test_the_server_advertises_the_extension_and_nothing_older(house: House) -> None:
    capabilities = house.client.server_capabilities
    assert capabilities.extensions is not None
    assert capabilities.extensions[IDENTIFIER] == {}
    assert "tasks" not in capabilities.model_dump(exclude_none=True)
    for method in ("tasks/list", "tasks/result"):
        assert await code_of(ask(house.client.session, method, "x")) == -32601


# Ids ----------------------------------------------------------------------------------------


async def test_ids_that_were_never_given_out_are_unknown(house: House) -> None:
    handle = await begin(house.client, "generate_song", description="x")
    await end(house, handle.task_id)
    service_id = str(rows(house)[0]["task_id"])
    for stranger in (*STRANGERS, service_id, handle.task_id.upper(), handle.task_id[:-1]):
        for method, more in METHODS.items():
            call = ask(house.client.session, method, stranger, **more)
            assert await code_of(call) == -32602, (method, stranger[:40])


async def test_an_answer_that_nobody_asked_for_is_acknowledged(house: House) -> None:
    handle = await begin(house.client, "generate_song", description=NEVER_DONE)
    answered = await ask(
        house.client.session, "tasks/update", handle.task_id, input_responses={"a": {"b": 1}}
    )
    assert answered == {"resultType": "complete"}


# What does not become a song ----------------------------------------------------------------


async def test_what_is_refused_before_there_is_a_task_is_a_result_as_ever(tmp_path: Path) -> None:
    async with (
        open_house(tmp_path, keys=False) as keyless,
        keyless.another_client(
            extensions=[Holder()],
            PIAPI_API_KEY="key-udio",
            GPTGE_API_KEY="",
            SONG_MCP_DAILY_LIMIT="1",
        ) as house,
    ):
        assert "Nothing was sent or paid" in await house.error("generate_song")
        assert "did you mean" in await house.error("generate_song", promt="x")
        assert "seed" in await house.error("generate_song", description="x", seed="many")
        no_key = await house.error("generate_song", description="x", model="suno-v5")
        assert "GPTGE_API_KEY" in no_key
        await begin(house.client, "generate_song", description=NEVER_DONE)
        assert "limit of 1" in await house.error("generate_song", description="y")
        assert [row["description"] for row in rows(house)] == [NEVER_DONE]


@pytest.mark.parametrize(
    ("description", "status", "charged"),
    [
        ("x [[insufficient-credits]]", "rejected", "no"),
        ("x [[html-502:accepted]]", "in_doubt", "unknown"),
        ("x [[fail-10000-logs]]", "failed", "unknown"),
    ],
)
async def test_what_ended_badly_is_completed_with_an_error_that_says_so(
    house: House, description: str, status: str, charged: str
) -> None:
    handle = await begin(house.client, "generate_song", description=description, model="udio")
    found = await end(house, handle.task_id)
    assert found["status"] == "completed"
    result = CallToolResult.model_validate(found["result"])
    assert result.is_error
    assert result.structured_content is not None
    assert result.structured_content["status"] == status
    assert result.structured_content["charged"] in {charged, "no"}
    assert status in text(result)


async def test_a_doubt_that_was_closed_is_an_error_too(house: House) -> None:
    handle = await begin(house.client, "generate_song", description="x [[html-502]]")
    await end(house, handle.task_id)
    await house.ok("resolve_task", task_id=handle.task_id, action="abandon")
    found = await get(house, handle.task_id)
    assert found["result"]["structuredContent"]["status"] == "abandoned"
    assert found["result"]["isError"]


async def test_a_doubt_that_is_settled_later_is_answered_with_what_it_became(house: House) -> None:
    handle = await begin(house.client, "generate_song", description="x [[html-502:accepted]]")
    assert (await end(house, handle.task_id))["result"]["isError"]
    real_id = house.sandbox.accepted[0].task_id
    await house.ok("get_task", task_id=real_id, wait_seconds=55)
    await house.ok("resolve_task", task_id=handle.task_id, action="check")
    found = await end(house, handle.task_id)
    assert found["result"]["structuredContent"]["task_id"] == real_id
    assert found["result"]["structuredContent"]["status"] == "completed"


# The same request again ---------------------------------------------------------------------


async def test_the_same_request_again_gives_the_same_handle_and_pays_once(house: House) -> None:
    first = await begin(house.client, "generate_song", description=NEVER_DONE)
    handles: list[Handle] = []

    async def again() -> None:
        handles.append(await begin(house.client, "generate_song", description=NEVER_DONE))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(again)
    assert {handle.task_id for handle in handles} == {first.task_id}
    assert "cost nothing" in (handles[0].status_message or "")
    await until(lambda: rows(house)[0]["status"] != "submitting")
    assert len(house.posts()) == 1


async def test_two_servers_that_are_asked_at_once_give_one_handle_and_pay_once(
    house: House,
) -> None:
    handles: list[str] = []

    async def ask_for_it(asked: House) -> None:
        handle = await begin(asked.client, "generate_song", description=NEVER_DONE)
        handles.append(handle.task_id)

    async with house.another_client(extensions=[Holder()]) as other:
        async with anyio.create_task_group() as group:
            for each in (house, other, house, other):
                group.start_soon(ask_for_it, each)
        await until(lambda: rows(house)[0]["status"] != "submitting")
    assert len(set(handles)) == 1
    assert len(house.posts()) == 1


async def test_a_call_that_was_given_up_left_a_task_that_the_next_one_joins(house: House) -> None:
    with anyio.fail_after(HANGS_S):
        async with anyio.create_task_group() as calling:
            calling.start_soon(
                partial(begin, house.client, "generate_song", description=NEVER_DONE)
            )
            while not house.posts():
                await anyio.lowlevel.checkpoint()
            calling.cancel_scope.cancel()
    handle = await begin(house.client, "generate_song", description=NEVER_DONE)
    await until(lambda: rows(house)[0]["status"] != "submitting")
    assert [row["local_id"] for row in rows(house)] == [handle.task_id]
    assert len(house.posts()) == 1


async def test_those_who_wait_and_those_who_hold_a_handle_share_the_task(house: House) -> None:
    handle = await begin(house.client, "generate_song", description="waltz")
    async with house.another_client(era=LEGACY) as other:
        song = await other.ok("generate_song", description="waltz", wait_seconds=55)
    assert "cost nothing" in song["note"]
    found = await end(house, handle.task_id)
    assert found["result"]["structuredContent"]["task_id"] == song["task_id"]
    assert len(house.posts()) == 1


async def test_another_take_has_a_handle_of_its_own(house: House) -> None:
    first = await begin(house.client, "generate_song", description=NEVER_DONE)
    second = await begin(house.client, "generate_song", description=NEVER_DONE, another_take=True)
    assert first.task_id != second.task_id
    await until(lambda: len(house.posts()) == 2)


async def test_a_handle_tells_of_another_take_so_the_next_call_pays(house: House) -> None:
    wish = {"description": NEVER_DONE, "another_take": True}
    handles = {(await begin(house.client, "generate_song", **wish)).task_id for _ in range(2)}
    assert len(handles) == 2
    await until(lambda: len(house.posts()) == 2)


# Delivery -----------------------------------------------------------------------------------


async def test_a_handle_delivers_nothing_and_the_end_that_is_asked_for_does(house: House) -> None:
    handle = await begin(house.client, "generate_song", description="waltz")
    await until(lambda: are_saved(house))
    again = await begin(house.client, "generate_song", description="waltz")
    assert (again.task_id, again.status) == (handle.task_id, "completed")
    await house.ok("check_account")
    assert rows(house)[0]["delivered_at"] is None
    await end(house, handle.task_id)
    await until(lambda: rows(house)[0]["delivered_at"] is not None)
    new = await begin(house.client, "generate_song", description="waltz")
    assert new.task_id != handle.task_id


# Cancelling ---------------------------------------------------------------------------------


async def test_cancelling_stops_following_and_says_what_goes_on(house: House) -> None:
    handle = await begin(house.client, "generate_song", description=NEVER_DONE)
    await until(lambda: rows(house)[0]["task_id"] != "")
    assert await cancel(house, handle.task_id) == {"resultType": "complete"}
    found = await get(house, handle.task_id)
    assert found["status"] == "cancelled"
    assert "result" not in found
    assert "PiAPI goes on with the task, and nothing is refunded" in found["statusMessage"]
    assert f"get_task with task_id {rows(house)[0]['task_id']}" in found["statusMessage"]


async def test_no_process_looks_at_a_cancelled_task_unless_somebody_asks(house: House) -> None:
    handle = await begin(house.client, "generate_song", description=NEVER_DONE)
    other = await begin(house.client, "generate_song", description=f"other {NEVER_DONE}")
    await until(lambda: all(row["task_id"] for row in rows(house)))
    await cancel(house, handle.task_id)
    mine, theirs = (str(row["task_id"]) for row in rows(house))
    if rows(house)[0]["local_id"] != handle.task_id:
        mine, theirs = theirs, mine
    before = looks_at(house, mine)
    since = looks_at(house, theirs)
    await until(lambda: looks_at(house, theirs) >= since + 3)  # both were due as often
    assert looks_at(house, mine) <= before + 1  # one may have been under way
    before = looks_at(house, mine)
    task = await house.ok("get_task", task_id=mine, wait_seconds=0)
    assert looks_at(house, mine) == before + 1
    assert task["status"] in {"pending", "processing"}
    assert "stopped, as asked" in task["note"]
    assert (await get(house, handle.task_id))["status"] == "cancelled"
    assert other.task_id != handle.task_id


async def test_a_cancelled_song_is_kept_when_somebody_asks_for_it(house: House) -> None:
    handle = await begin(house.client, "generate_song", description="waltz [[slow:2]]")
    await until(lambda: rows(house)[0]["task_id"] != "")
    await cancel(house, handle.task_id)
    with anyio.fail_after(HANGS_S):
        while True:
            task = await house.ok("get_task", task_id=handle.task_id, wait_seconds=55)
            if task["status"] == "completed":
                break
    assert all(Path(clip["file"]).is_file() for clip in task["clips"])
    found = await get(house, handle.task_id)
    assert found["status"] == "cancelled"
    assert "The task is completed now" in found["statusMessage"]


async def test_what_was_cancelled_is_cancelled_for_every_server(house: House) -> None:
    handle = await begin(house.client, "generate_song", description=NEVER_DONE)
    async with house.another_client(extensions=[Holder()]) as other:
        await cancel(other, handle.task_id)
        for each in (house, other):
            assert (await get(each, handle.task_id))["status"] == "cancelled"
            await cancel(each, handle.task_id)
            assert (await get(each, handle.task_id))["status"] == "cancelled"


async def test_cancelling_while_it_is_submitted_undoes_no_payment(house: House) -> None:
    handle = await begin(house.client, "generate_song", description=f"{NEVER_DONE} {ANSWERED_LATE}")
    assert rows(house)[0]["status"] == "submitting"
    await cancel(house, handle.task_id)
    assert (await get(house, handle.task_id))["status"] == "cancelled"
    await until(lambda: rows(house)[0]["task_id"] != "")
    assert rows(house)[0]["task_id"] == house.sandbox.accepted[0].task_id
    assert rows(house)[0]["charged"] == "yes"
    assert (await get(house, handle.task_id))["status"] == "cancelled"


async def test_cancelling_what_has_ended_is_acknowledged_and_changes_nothing(house: House) -> None:
    handle = await begin(house.client, "generate_song", description="waltz")
    before = await end(house, handle.task_id)
    assert await cancel(house, handle.task_id) == {"resultType": "complete"}
    assert await get(house, handle.task_id) == before
    doubt = await begin(house.client, "generate_song", description="x [[html-502]]")
    await end(house, doubt.task_id)
    await cancel(house, doubt.task_id)
    assert (await get(house, doubt.task_id))["status"] == "completed"


async def test_the_same_request_after_a_cancel_is_followed_again_and_pays_nothing(
    house: House,
) -> None:
    handle = await begin(house.client, "generate_song", description="waltz [[slow:3]]")
    await cancel(house, handle.task_id)
    again = await begin(house.client, "generate_song", description="waltz [[slow:3]]")
    assert (again.task_id, again.status) == (handle.task_id, "working")
    assert (await end(house, handle.task_id))["status"] == "completed"
    assert len(house.posts()) == 1


# Another process ----------------------------------------------------------------------------


ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {"extensions": {IDENTIFIER: {}}},
}


def call_of(tool: str, **arguments: Any) -> Json:  # noqa: ANN401 - JSON
    return {"name": tool, "arguments": arguments, "_meta": ENVELOPE}


def about(task_id: str) -> Json:
    return {"taskId": task_id, "_meta": ENVELOPE}


async def test_a_handle_works_in_the_process_after_the_one_that_was_killed(house: House) -> None:
    child = replace(house, folder=house.folder / "child")
    variables = environment(child.folder, house.base_url)
    async with started(child.folder, variables) as first:
        answer = await first.ask("tools/call", call_of("generate_song", description="waltz"))
        handle = answer["result"]["taskId"]
        held = await first.ask("tools/call", call_of("generate_song", **UNANSWERED))
        await until(lambda: len(house.posts()) == 2)
        await until(lambda: any(row["task_id"] for row in rows(child)))
        first.process.kill()
        await first.process.wait()
    paid = house.posts()
    async with started(child.folder, variables) as second:
        doubtful, found = held["result"]["taskId"], Json()
        for each in (handle, doubtful):
            with anyio.fail_after(HANGS_S):
                while found.get("taskId") != each or found["status"] == "working":
                    await a_moment()
                    found = (await second.ask("tasks/get", about(each)))["result"]
            task = found["result"]["structuredContent"]
            expected = "completed" if each == handle else "in_doubt"
            assert (found["status"], task["status"]) == ("completed", expected)
        again = await second.ask("tools/call", call_of("generate_song", **UNANSWERED))
        assert again["result"]["taskId"] == doubtful
        await second.hang_up()
        assert await second.ended() == 0
        second.messages()
    assert house.posts() == paid
    delivered = {row["local_id"]: row["delivered_at"] for row in rows(child)}
    assert delivered[handle] is not None


# Over HTTP ----------------------------------------------------------------------------------


@asynccontextmanager
async def served(server: SongServer) -> AsyncIterator[str]:
    """Serve over HTTP on loopback; yields the address."""
    config = uvicorn.Config(server.streamable_http_app(), log_config=None, ws="none")
    http = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with anyio.create_task_group() as group:
            group.start_soon(http.serve, [listener])
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
            http.should_exit = True


@pytest.fixture
async def http(house: House) -> AsyncIterator[tuple[House, str]]:
    """The house's server over HTTP: its client, which takes handles, and its address."""
    values = environment(house.folder, house.base_url)
    settings = Settings(**values)  # type: ignore[arg-type]  # by the variables' names
    server = build_server(lambda: open_studio(settings, house.clock))
    async with served(server) as url, Client(url, extensions=[Holder()]) as client:
        yield replace(house, client=client), url


async def post(url: str, method: str, task_id: str, **headers: str) -> tuple[int, Json]:
    """Send a request about a task with these headers; returns the HTTP status and the answer."""
    params = about(task_id) | ({"inputResponses": {}} if method == "tasks/update" else {})
    return await send(url, method, params, **headers)


async def send(url: str, method: str, params: Json, **headers: str) -> tuple[int, Json]:
    """Send a request as a client of this era does; returns the HTTP status and the answer."""
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    always = {
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": method,
    }
    async with httpx.AsyncClient() as client:
        answer = await client.post(url, content=json.dumps(message), headers=always | headers)
    return answer.status_code, answer.json()


async def test_over_http_a_handle_is_given_and_asked(http: tuple[House, str]) -> None:
    house, _ = http
    handle = await begin(house.client, "generate_song", description="waltz")
    found = await end(house, handle.task_id)
    assert found["result"]["structuredContent"]["status"] == "completed"
    await cancel(house, handle.task_id)


@pytest.mark.parametrize("method", METHODS)
async def test_over_http_the_name_in_the_header_must_be_the_task(
    http: tuple[House, str], method: str
) -> None:
    house, url = http
    handle = (await begin(house.client, "generate_song", description=NEVER_DONE)).task_id
    for wrong in ({}, {"Mcp-Name": "local-00000000000000000000"}, {"Mcp-Name": ""}):
        status, answer = await post(url, method, handle, **wrong)
        assert (status, answer["error"]["code"]) == (400, -32020)
    assert (await get(house, handle))["status"] == "working"
    status, answer = await post(url, method, handle, **{"Mcp-Name": handle})
    assert status == 200
    assert answer["result"]["resultType"] == "complete"


async def test_over_http_strangers_are_refused_with_the_right_codes(
    http: tuple[House, str],
) -> None:
    _, url = http
    for stranger in STRANGERS[:3]:
        status, answer = await post(url, "tasks/get", stranger, **{"Mcp-Name": stranger})
        assert (status, answer["error"]["code"]) == (400, -32602)
    async with Client(url) as undeclared:
        call = ask(undeclared.session, "tasks/get", "local-00000000000000000000")
        assert await code_of(call) == -32021


# Listening ----------------------------------------------------------------------------------


async def test_only_who_declared_the_extension_may_ask_for_notices_of_tasks(
    http: tuple[House, str],
) -> None:
    house, url = http
    handle = (await begin(house.client, "generate_song", description=NEVER_DONE)).task_id
    undeclared = ENVELOPE | {"io.modelcontextprotocol/clientCapabilities": {}}
    params = {"notifications": {"taskIds": [handle]}, "_meta": undeclared}
    status, answer = await send(url, "subscriptions/listen", params)
    assert (status, answer["error"]["code"]) == (400, -32021)


async def test_who_listens_to_tasks_is_told_that_none_are_told_of(house: House) -> None:
    variables = environment(house.folder / "child", house.base_url)
    params = {"notifications": {"taskIds": ["x"]}, "_meta": ENVELOPE}
    async with started(house.folder / "child", variables) as child:
        await child.request("subscriptions/listen", params)
        acknowledged = json.loads(await child.line())
    assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
    assert acknowledged["params"]["notifications"] == {}
