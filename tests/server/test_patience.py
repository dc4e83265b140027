"""How long a call waits for a client of which nothing, little or the worst is known.

The clock stands still until a test lets it go, so nothing here waits.
"""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import pytest
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared._context_streams import ContextReceiveStream, ContextSendStream
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

from song_mcp.journal import Journal
from song_mcp.server import patience
from song_mcp.server.app import build_server
from song_mcp.server.patience import LONGER_S, LOOK_S, PAID_S, PLAYER_S, Client, Clients, Turn
from song_mcp.server.sdk import low_level
from song_mcp.songs import in_takes, model_named
from song_mcp.studio import Answer, Call, Studio
from song_mcp.studio import calling as of_call
from tests.eras import LEGACY, MODERN, now_tested
from tests.manual_clock import ManualClock, quiet
from tests.memory_services import FOREVER_S, MemoryServices, spare_the_disk
from tests.processes import WALTZ, World
from tests.wire.child import ENVELOPE

Json = dict[str, Any]

PROMISED_S = 3.5
"""Within so many seconds a paid call is answered by default."""
USUAL_S = 25.0
SLOW_S = 60.0
HOUR_S = 3600.0
PAGES = {"extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}}
LINK = "https://media.example/c1.mp3"
EXTENDED = "11111111-2222-4333-8444-555555555555"
BEHIND = "how long a call waits is decided behind the protocol"
TIME_OUTS = (
    "McpError: MCP error -32001: Request timed out",  # TypeScript 1
    "McpError: MCP error -32001: Maximum total timeout exceeded",
    "SdkError: Request timed out",  # TypeScript 2
    "TimeoutError: The operation was aborted due to timeout",  # with AbortSignal.timeout
    "timed out after 5.0s",  # Python 2
    "request timeout",  # Rust
    "context deadline exceeded",  # Go
)
NO_TIME_OUTS = (None, "", "AbortError: This operation was aborted", "caller cancelled", 7)


@dataclass
class Caller:
    """A client that says exactly what a test lets it say, and when each answer came."""

    world: World
    studio: Studio
    to_server: ContextSendStream[SessionMessage | Exception]
    capabilities: Json
    answers: dict[int, tuple[float, Json]] = field(default_factory=dict)
    ids: Iterable[int] = field(default_factory=lambda: count(1))

    async def send(self, **message: Any) -> None:  # noqa: ANN401 - JSON
        text = json.dumps({"jsonrpc": "2.0"} | message)
        await self.to_server.send(SessionMessage(jsonrpc_message_adapter.validate_json(text)))
        await quiet()

    async def request(self, method: str, params: Json) -> int:
        number = next(iter(self.ids))
        if now_tested.era == MODERN:
            declared = {"io.modelcontextprotocol/clientCapabilities": self.capabilities}
            params = params | {"_meta": ENVELOPE | declared | params.get("_meta", {})}
        await self.send(id=number, method=method, params=params)
        return number

    async def hello(self) -> None:
        if now_tested.era == MODERN:
            await self.request("server/discover", {})
            return
        info = {"name": "caller", "version": "1"}
        hello = {"protocolVersion": LEGACY, "capabilities": self.capabilities, "clientInfo": info}
        await self.request("initialize", hello)
        await self.send(method="notifications/initialized")

    async def begin(self, tool: str, *, token: bool = False, **arguments: Any) -> int:  # noqa: ANN401 - JSON
        """Call a tool, and do not wait for the answer."""
        params: Json = {"name": tool, "arguments": arguments}
        return await self.request(
            "tools/call", params | ({"_meta": {"progressToken": "a token"}} if token else {})
        )

    async def call(self, tool: str, **arguments: Any) -> tuple[float, Json]:  # noqa: ANN401 - JSON
        """Call a tool; return after how many seconds the answer came, and the result."""
        begun_at_s = self.world.clock.elapsed_s
        number = await self.begin(tool, **arguments)
        await self.world.clock.until(lambda: number in self.answers, HOUR_S)
        at_s, result = self.answers[number]
        return round(at_s - begun_at_s, 2), result

    async def cut(self, number: int, reason: object = "Request timed out") -> None:
        """Give a call up, as most clients do; without a reason if that is None."""
        params = {"requestId": number} | ({} if reason is None else {"reason": reason})
        await self.send(method="notifications/cancelled", params=params)

    async def cut_after(self, seconds: float, tool: str, reason: object, **arguments: Any) -> None:  # noqa: ANN401
        number = await self.begin(tool, **arguments)
        await self.world.clock.run(seconds)
        assert number not in self.answers, "it waits for longer"
        await self.cut(number, reason)

    async def receive(self, answers: ContextReceiveStream[SessionMessage | Exception]) -> None:
        async for item in answers:
            assert isinstance(item, SessionMessage)
            message = item.message.model_dump(by_alias=True, exclude_unset=True)
            if "method" not in message:
                at_s = self.world.clock.elapsed_s
                self.answers[message["id"]] = at_s, message.get("result", message)


@asynccontextmanager
async def calling(world: World, capabilities: Json | None = None) -> AsyncIterator[Caller]:
    """Connect a caller to a server of its own, with services and a clock in memory."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Studio]:
        async with world.process() as studio:
            studio.default_wait_s = USUAL_S
            opened_here.append(studio)
            yield studio

    opened_here: list[Studio] = []
    low = low_level(build_server(opened))
    async with (
        create_client_server_memory_streams() as ((answers, to_server), (received, sent)),
        anyio.create_task_group() as group,
    ):
        group.start_soon(low.run, received, sent, low.create_initialization_options())
        while not opened_here:
            await quiet()
        caller = Caller(world, opened_here[0], to_server, capabilities or {})
        group.start_soon(caller.receive, answers)
        await caller.hello()
        yield caller
        group.cancel_scope.cancel()


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Yield services whose songs take an hour."""
    spare_the_disk(monkeypatch)
    clock = ManualClock()
    theirs = Journal(tmp_path / "home" / "journal.sqlite3", clock.now)
    yield World(tmp_path, clock, MemoryServices(clock, song_s=HOUR_S), theirs)
    await theirs.close()


def told(result: Json) -> Json:
    found: Json = result["structuredContent"]
    return found


async def song(caller: Caller, **arguments: Any) -> str:  # noqa: ANN401 - JSON
    """Begin a song that takes an hour; returns its task's id."""
    _, result = await caller.call("generate_song", description="waltz", wait_seconds=0, **arguments)
    return str(told(result)["task_id"])


# Paid calls --------------------------------------------------------------------------------------


@pytest.mark.one_era(BEHIND)
@pytest.mark.parametrize(
    ("tool", "arguments", "posts"),
    [
        ("generate_song", {"description": "waltz"}, 1),
        ("generate_song", {"description": "waltz", "model": "ace-step", "takes": 2}, 2),
        ("extend_song", {"description": "more", "clip_id": EXTENDED}, 1),
        ("generate_lyrics", {"topic": "the sea"}, 1),
    ],
)
@pytest.mark.parametrize("latency_s", [0.0, 2.0])
async def test_a_paid_call_without_a_token_is_answered_at_once_with_what_to_call_next(
    world: World, tool: str, arguments: Json, posts: int, latency_s: float
) -> None:
    world.services.latency_s = latency_s
    async with calling(world) as caller:
        took_s, result = await caller.call(tool, **arguments)
        assert took_s == PAID_S <= PROMISED_S
        assert told(result)["status"] in {"pending", "processing"}
        assert told(result)["task_id"] in world.services.made
        assert "get_task" in result["content"][0]["text"]
        assert len(world.services.posts) == posts


@pytest.mark.one_era(BEHIND)
@pytest.mark.parametrize("token", [False, True])
async def test_a_submission_that_takes_longer_than_its_client_waits_is_sent_once_and_found(
    world: World, *, token: bool
) -> None:
    world.services.latency_s = SLOW_S
    async with calling(world) as caller:
        asked: Json = {"token": token} | ({"wait_seconds": 0} if token else {})
        took_s, result = await caller.call("generate_song", description="waltz", **asked)
        assert took_s == (5.0 if token else PAID_S)
        assert told(result)["status"] == "submitting"
        local_id = told(result)["task_id"]
        assert local_id.startswith("local-")
        assert "get_task" in result["content"][0]["text"]
        await caller.call("generate_song", description="waltz")
        await world.clock.run(SLOW_S)
        _, looked = await caller.call("get_task", task_id=local_id)
        assert told(looked)["status"] in {"pending", "processing"}
        assert len(world.services.posts) == 1


async def test_a_paid_call_with_a_token_waits_as_long_as_is_set(world: World) -> None:
    async with calling(world) as caller:
        assert (await caller.call("generate_song", description="x", token=True))[0] == USUAL_S


@pytest.mark.one_era(BEHIND)
@pytest.mark.parametrize(("given_s", "waits_s"), [(0, 0.0), (2, 2.0), (10, 10.0), (50, 50.0)])
async def test_a_wait_that_was_asked_for_is_kept_without_a_token(
    world: World, given_s: int, waits_s: float
) -> None:
    async with calling(world) as caller:
        took_s, _ = await caller.call("generate_song", description="x", wait_seconds=given_s)
        assert took_s == waits_s
        took_s, _ = await caller.call("get_task", task_id="last", wait_seconds=given_s)
        assert took_s == waits_s


async def test_a_repeat_that_joins_is_answered_as_early_and_pays_nothing(world: World) -> None:
    async with calling(world) as caller:
        _, first = await caller.call("generate_song", description="waltz")
        took_s, again = await caller.call("generate_song", description="waltz")
        assert took_s == PAID_S
        assert told(again)["task_id"] == told(first)["task_id"]
        assert len(world.services.posts) == 1


async def test_a_refusal_that_comes_in_time_is_the_answer(world: World) -> None:
    world.services.faults.append("refused")
    async with calling(world) as caller:
        took_s, result = await caller.call("generate_song", description="waltz")
        assert took_s < PAID_S
        assert result["isError"]
        assert told(result)["status"] == "rejected"


@pytest.mark.parametrize(("token", "waits_s"), [(True, PLAYER_S), (False, PAID_S)])
async def test_a_client_with_pages_is_answered_as_before_and_never_later_than_others(
    world: World, *, token: bool, waits_s: float
) -> None:
    async with calling(world, PAGES) as caller:
        assert (await caller.call("generate_song", description="x", token=token))[0] == waits_s
        longest_s = USUAL_S if token else PAID_S
        assert (await caller.call("generate_lyrics", topic="x", token=token))[0] == longest_s


# Looks -------------------------------------------------------------------------------------------


async def test_looks_take_longer_while_their_answers_reach_the_client(world: World) -> None:
    async with calling(world) as caller:
        task_id = await song(caller)
        took = [(await caller.call("get_task", task_id=task_id))[0] for _ in range(4)]
        assert took == [LOOK_S, LONGER_S, USUAL_S, USUAL_S]


async def test_a_look_with_a_token_takes_what_is_set(world: World) -> None:
    async with calling(world) as caller:
        task_id = await song(caller)
        assert (await caller.call("get_task", task_id=task_id, token=True))[0] == USUAL_S


@pytest.mark.one_era(BEHIND)
async def test_a_call_of_any_kind_that_was_waited_for_shows_that_its_client_waits(
    world: World,
) -> None:
    async with calling(world) as caller:
        task_id = await song(caller)
        await caller.call("get_task", task_id=task_id, wait_seconds=20)
        assert (await caller.call("get_task", task_id=task_id))[0] == USUAL_S


@pytest.mark.one_era(BEHIND)
async def test_looks_side_by_side_take_as_long_as_each_other(world: World) -> None:
    async with calling(world) as caller:
        task_id = await song(caller)
        for waits_s in (LOOK_S, LONGER_S, USUAL_S):
            begun_at_s = world.clock.elapsed_s
            numbers = [await caller.begin("get_task", task_id=task_id) for _ in range(3)]
            await world.clock.run(waits_s)
            took = {round(caller.answers[each][0] - begun_at_s, 2) for each in numbers}
            assert took == {waits_s}


@pytest.mark.one_era(BEHIND)
async def test_a_service_that_does_not_answer_keeps_no_call_longer_than_its_client_waits(
    world: World,
) -> None:
    async with calling(world) as caller:
        task_id = await song(caller)
        await world.clock.run(2 * SLOW_S)
        world.services.look_fault, world.services.history_fault = "hangs", "hangs"
        took_s, looked = await caller.call("get_task", task_id=task_id)
        assert took_s == LOOK_S
        assert told(looked)["status"] in {"pending", "processing"}
        took_s, result = await caller.call("get_task", task_id=EXTENDED)
        assert took_s <= LONGER_S
        assert "has not answered yet" in result["content"][0]["text"]


@pytest.mark.one_era(BEHIND)
async def test_a_task_made_elsewhere_is_found_by_a_look_that_nobody_could_wait_for(
    world: World,
) -> None:
    made = world.services.accept("gptge")
    world.services.latency_s = 8.0
    async with calling(world) as caller:
        took_s, _ = await caller.call("fetch_suno_task", task_id=made.task_id)
        assert took_s == LOOK_S
        await world.clock.run(8.0)
        _, result = await caller.call("fetch_suno_task", task_id=made.task_id)
        assert told(result)["task_id"] == made.task_id


@pytest.mark.one_era(BEHIND)
async def test_checking_a_doubt_is_answered_in_time_and_goes_on(world: World) -> None:
    world.services.faults.append("lost after it was taken")
    async with calling(world) as caller:
        _, lost = await caller.call("generate_song", description="waltz")
        assert told(lost)["status"] == "in_doubt"
        world.services.history_fault = "hangs"
        asked = {"task_id": told(lost)["task_id"], "action": "check"}
        took_s, result = await caller.call("resolve_task", **asked)
        assert took_s == LOOK_S
        assert told(result)["status"] == "in_doubt"
        assert "has not answered yet" in result["content"][0]["text"]
        assert len(world.services.posts) == 1


# Clients that give up ----------------------------------------------------------------------------


@pytest.mark.one_era(BEHIND)
@pytest.mark.parametrize("reason", TIME_OUTS)
async def test_a_time_out_is_learnt_and_its_time_never_reached_again(
    world: World, reason: str
) -> None:
    async with calling(world) as caller:
        task_id = await song(caller)
        await caller.call("get_task", task_id=task_id)
        await caller.cut_after(10.0, "get_task", reason, task_id=task_id)
        asked: Json
        for asked in ({}, {}, {"wait_seconds": 55}, {"token": True}):
            took_s, _ = await caller.call("get_task", task_id=task_id, **asked)
            assert took_s == 9.0
        took_s, _ = await caller.call("generate_song", description="x", token=True, wait_seconds=50)
        assert took_s == 9.0


async def test_a_client_that_cuts_at_five_seconds_gets_every_answer_after_its_first_time_out(
    world: World,
) -> None:
    async with calling(world) as caller:
        took_s, result = await caller.call("generate_song", description="waltz")
        assert took_s <= PROMISED_S
        task_id = told(result)["task_id"]
        assert (await caller.call("get_task", task_id=task_id))[0] < 5.0
        await caller.cut_after(5.0, "get_task", "timed out after 5.0s", task_id=task_id)
        for _ in range(5):
            assert (await caller.call("get_task", task_id=task_id))[0] == LOOK_S
        assert (await caller.call("get_task", task_id=task_id, wait_seconds=40))[0] == LOOK_S


async def test_a_time_out_of_a_call_whose_answer_was_on_its_way_is_learnt_too(
    world: World,
) -> None:
    async with calling(world) as caller:
        task_id = await song(caller)
        number = await caller.begin("get_task", task_id=task_id, wait_seconds=5)
        await world.clock.run(5.0)
        assert number in caller.answers
        await caller.cut(number)
        assert (await caller.call("get_task", task_id=task_id, wait_seconds=5))[0] == LOOK_S


@pytest.mark.one_era(BEHIND)
@pytest.mark.parametrize("reason", NO_TIME_OUTS)
async def test_a_call_that_a_person_may_have_stopped_shortens_only_what_nobody_asked_for(
    world: World, reason: object
) -> None:
    async with calling(world) as caller:
        task_id = await song(caller)
        await caller.call("get_task", task_id=task_id)
        await caller.cut_after(8.0, "get_task", reason, task_id=task_id)
        assert (await caller.call("get_task", task_id=task_id))[0] == 7.0
        assert (await caller.call("get_task", task_id=task_id, wait_seconds=40))[0] == 40.0
        assert (await caller.call("get_task", task_id=task_id, token=True))[0] == USUAL_S


@pytest.mark.one_era(BEHIND)
async def test_two_calls_that_end_after_the_same_time_were_cut_off_by_a_clock(
    world: World,
) -> None:
    async with calling(world) as caller:
        task_id = await song(caller)
        for _ in range(2):
            asked = {"task_id": task_id, "token": True}
            await caller.cut_after(10.0, "get_task", "caller cancelled", **asked)
        assert (await caller.call("get_task", task_id=task_id, token=True))[0] == 9.0
        assert (await caller.call("get_task", task_id=task_id, wait_seconds=40))[0] == 9.0


@pytest.mark.one_era(BEHIND)
async def test_calls_side_by_side_that_a_person_stops_at_once_were_not_cut_off_by_a_clock(
    world: World,
) -> None:
    async with calling(world) as caller:
        task_id = await song(caller)
        asked: Json = {"task_id": task_id, "token": True}
        numbers = [await caller.begin("get_task", **asked) for _ in range(2)]
        await world.clock.run(10.0)
        for number in numbers:
            await caller.cut(number, "caller cancelled")
        assert (await caller.call("get_task", **asked))[0] == USUAL_S
        assert (await caller.call("get_task", task_id=task_id, wait_seconds=40))[0] == 40.0
        await caller.cut_after(10.0, "get_task", None, **asked)  # now it was
        assert (await caller.call("get_task", **asked))[0] == 9.0


@pytest.mark.one_era(BEHIND)
async def test_a_cut_within_a_moment_tells_nothing_of_the_client(world: World) -> None:
    async with calling(world) as caller:
        task_id = await song(caller)
        await caller.cut_after(1.0, "get_task", "Request timed out", task_id=task_id)
        assert (await caller.call("get_task", task_id=task_id))[0] == LOOK_S


async def test_a_cancel_of_no_call_harms_nothing(world: World) -> None:
    async with calling(world) as caller:
        task_id = await song(caller)
        params: object
        for params in ({}, {"requestId": 99, "reason": "timed out"}, {"requestId": [1]}):
            await caller.send(method="notifications/cancelled", params=params)
        assert (await caller.call("get_task", task_id=task_id))[0] == LOOK_S


async def test_a_client_that_asks_again_before_it_is_answered_waits_no_longer(
    world: World,
) -> None:
    """As those of Python 1 do after a time-out, of which they say nothing."""
    async with calling(world) as caller:
        task_id = await song(caller)
        assert (await caller.call("get_task", task_id=task_id))[0] == LOOK_S
        await caller.begin("get_task", task_id=task_id)
        await world.clock.run(7.0)  # it gave up after 5 s, and the model took 2
        for asked in ({}, {}, {}, {"wait_seconds": 30}, {"token": True}):
            assert (await caller.call("get_task", task_id=task_id, **asked))[0] == LOOK_S


@pytest.mark.parametrize("asked", [{"token": True}, {"wait_seconds": 50}])
async def test_who_says_it_in_other_words_before_it_is_answered_pays_once_and_is_told(
    world: World, asked: Json
) -> None:
    """As a model does after a time-out of which its client, of Python 1, says nothing."""
    async with calling(world) as caller:
        first = await caller.begin("generate_song", description="a slow waltz", **asked)
        await world.clock.run(13.0)  # it gave up after 10 s, and the model took 3
        took_s, again = await caller.call("generate_song", description="slow waltz", token=True)
        assert took_s == PAID_S
        assert "another_take" in again["content"][0]["text"]
        task_id = told(again)["task_id"]
        assert (await caller.call("get_task", task_id=task_id, token=True))[0] == LOOK_S
        assert (await caller.call("get_task", task_id=task_id, wait_seconds=30))[0] == 30.0
        assert len(world.services.posts) == 1
        assert told(caller.answers[first][1])["task_id"] == task_id
        _, other = await caller.call("generate_song", description="loud polka", token=True)
        assert told(other)["task_id"] != task_id
        assert len(world.services.posts) == 2


@pytest.mark.one_era(BEHIND)
async def test_who_pays_again_and_again_before_it_is_answered_is_never_made_to_wait(
    world: World,
) -> None:
    async with calling(world) as caller:
        asked: Json = {"description": "waltz", "wait_seconds": 50}
        for _ in range(3):
            await caller.begin("generate_song", **asked)
            await world.clock.run(7.0)
        assert (await caller.call("generate_song", **asked))[0] == LOOK_S
        assert len(world.services.posts) == 1


@pytest.mark.one_era(BEHIND)
async def test_wishes_that_come_side_by_side_are_payments_of_their_own_and_shorten_nothing(
    world: World,
) -> None:
    async with calling(world) as caller:
        for words in ("a slow waltz", "slow waltz", "waltz, slow"):
            await caller.begin("generate_song", description=words, token=True)
        await world.clock.run(USUAL_S)
        _, listed = await caller.call("list_songs")
        task_id = told(listed)["tasks"][0]["task_id"]
        assert (await caller.call("get_task", task_id=task_id))[0] == USUAL_S
        assert len(world.services.posts) == 3


@pytest.mark.one_era(BEHIND)
@pytest.mark.parametrize("asked", [{"token": True}, {"wait_seconds": 25}])
async def test_different_wishes_of_several_chats_shorten_nothing_and_are_delivered(
    world: World, asked: Json
) -> None:
    """As of the helpers of one assistant, which share its connection."""
    async with calling(world) as caller:
        wishes = ("a slow waltz", "loud polka", "sad ballad of a whale", "reggae about rain")
        for words in wishes:
            await caller.begin("generate_song", description=words, **asked)
            await world.clock.run(8.0)
        await world.clock.run(USUAL_S)
        took_s, last = await caller.call("generate_song", description="slow waltz", **asked)
        assert took_s == USUAL_S
        assert "another_take" not in last["content"][0]["text"]
        assert len(world.services.posts) == len(wishes) + 1


@pytest.mark.one_era(BEHIND)
async def test_cuts_of_a_person_that_differ_teach_nothing_of_waits_that_were_asked_for(
    world: World,
) -> None:
    async with calling(world) as caller:
        task_id = await song(caller)
        for seconds in (6.0, 9.0, 6.0, 12.0, 9.0):
            await caller.cut_after(seconds, "get_task", "stop", task_id=task_id, token=True)
        assert (await caller.call("get_task", task_id=task_id, wait_seconds=40))[0] == 40.0
        assert (await caller.call("get_task", task_id=task_id, token=True))[0] == USUAL_S


@pytest.mark.one_era(BEHIND)
async def test_with_a_token_different_calls_may_wait_side_by_side(world: World) -> None:
    async with calling(world) as caller:
        task_id = await song(caller)
        await caller.begin("get_task", task_id=task_id, token=True)
        await world.clock.run(10.0)
        assert (await caller.call("generate_song", description="x", token=True))[0] == USUAL_S


@pytest.mark.one_era(BEHIND)
async def test_a_page_that_looks_while_the_model_waits_shortens_nothing(world: World) -> None:
    async with calling(world, PAGES) as caller:
        task_id = await song(caller)
        await caller.begin("get_task", task_id=task_id, token=True)
        await world.clock.run(10.0)
        await caller.begin("get_task", task_id=task_id, wait_seconds=8)
        assert (await caller.call("get_task", task_id=task_id, token=True))[0] == USUAL_S


async def test_a_call_that_is_cut_off_while_it_is_sent_is_paid_once_and_found(
    world: World,
) -> None:
    world.services.latency_s = SLOW_S
    async with calling(world) as caller:
        await caller.cut_after(3.0, "generate_song", "Request timed out", description="waltz")
        took_s, again = await caller.call("generate_song", description="waltz")
        assert took_s == 2.0
        assert told(again)["status"] == "submitting"
        await world.clock.run(SLOW_S)
        _, looked = await caller.call("get_task", task_id=told(again)["task_id"])
        assert told(looked)["task_id"] in world.services.made
        assert len(world.services.posts) == 1


# Calls that come to paying too late ---------------------------------------------------------------


@pytest.mark.one_era(BEHIND)
async def test_a_cover_of_a_clip_that_is_still_being_saved_is_refused_in_time(
    world: World,
) -> None:
    """Otherwise a call that its client gave up would pay later, and so would the one after it."""
    made = world.services.accept("gptge", song_s=0.0)
    made.shows = [[{"id": "c1", "title": "Sea", "status": "complete", "audio_url": LINK}]]
    async with calling(world) as caller:
        await caller.call("fetch_suno_task", task_id=made.task_id)
        asked = {"clip_id": "c1", "description": "ska", "model": "ace-step"}
        took_s, result = await caller.call("cover_song", **asked)
        assert took_s == PAID_S
        assert result["isError"]
        assert "is being saved" in result["content"][0]["text"]
        assert (await caller.call("cover_song", **asked, wait_seconds=10))[0] == 10.0
        assert world.services.posts == []


@pytest.mark.one_era(BEHIND)
async def test_a_call_that_was_held_up_pays_and_the_same_in_other_words_joins_it(
    world: World,
) -> None:
    """Its client may have given it up without a word before the answer came."""
    async with calling(world) as caller:
        async with held_up(caller.studio):
            first = await caller.begin("generate_song", description="a slow waltz")
            await world.clock.run(8.0)
        await quiet()
        assert not caller.answers[first][1]["isError"]
        _, again = await caller.call("generate_song", description="slow waltz")
        assert "another_take" in again["content"][0]["text"]
        assert len(world.services.posts) == 1
        await caller.call("generate_song", description="a waltz, slow")
        assert len(world.services.posts) == 2


@pytest.mark.one_era(BEHIND)
@pytest.mark.parametrize("token", [False, True])
async def test_a_call_that_is_given_up_before_it_pays_does_not_pay(
    world: World, *, token: bool
) -> None:
    """As its client says nothing of that, nothing cancels it."""
    async with calling(world) as caller:
        async with held_up(caller.studio):
            asked: Json = {"token": token}
            first = await caller.begin("generate_song", description="a slow waltz", **asked)
            await world.clock.run(6.0)
            second = await caller.begin("generate_song", description="slow waltz", **asked)
        await world.clock.run(USUAL_S)
        assert (
            "Nothing was sent or paid by this call"
            in caller.answers[first][1]["content"][0]["text"]
        )
        assert not caller.answers[second][1]["isError"]
        assert len(world.services.posts) == 1


@pytest.mark.no_client
async def test_a_call_that_is_given_up_between_two_takes_says_what_it_paid(world: World) -> None:
    """It may be read all the same: that it was given up can be a mistake."""
    model = model_named("ace-step")
    assert model is not None
    call, (first, *more) = Call(), in_takes(replace(WALTZ, model=model), 2)
    async with world.process() as studio, anyio.create_task_group() as group:
        answers: list[Answer] = []

        async def begin() -> None:
            with of_call(call):
                answers.append(await studio.begin(first, another_take=False, more=more))

        async with held_up(studio):
            group.start_soon(begin)
            await quiet()
        while not call.begun:  # one use of the journal at a time
            async with held_up(studio):
                await quiet()
        call.is_lost = True
        await world.clock.run(SLOW_S)
        assert "Take 2 of 2 was not begun" in answers[0].note
        assert "For take 2 nothing was sent or paid" in answers[0].note
        assert "by this call" not in answers[0].note
        assert len(world.services.posts) == 1


@asynccontextmanager
async def held_up(studio: Studio) -> AsyncIterator[None]:
    """Let the journal wait, as on a disk or a machine that is busy."""
    async with studio._journal._file._turn:  # noqa: SLF001 - no process of a test holds its file
        yield


# Which client it is ------------------------------------------------------------------------------


@dataclass
class Poster:
    """A client over HTTP, in a session of its own if it is of an older era."""

    world: World
    http: httpx.AsyncClient
    session: dict[str, str] = field(default_factory=dict)

    async def post(self, **message: Any) -> httpx.Response:  # noqa: ANN401 - JSON
        version = {"MCP-Protocol-Version": now_tested.era}
        if now_tested.era == MODERN and "id" in message:
            params = message["params"]
            version |= {"Mcp-Method": message["method"], "Mcp-Name": params["name"]}
            message["params"] = params | {"_meta": ENVELOPE}
        headers = {"Accept": "application/json, text/event-stream"} | version | self.session
        body = {"jsonrpc": "2.0"} | message
        return await self.http.post("/mcp", json=body, headers=headers)

    async def hello(self) -> None:
        info = {"name": "poster", "version": "1"}
        hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": info}
        answer = await self.post(id=0, method="initialize", params=hello)
        self.session = {"Mcp-Session-Id": answer.headers["mcp-session-id"]}
        await self.post(method="notifications/initialized")

    async def call(self, number: int, tool: str, **arguments: Any) -> Json:  # noqa: ANN401 - JSON
        params = {"name": tool, "arguments": arguments}
        answer = await self.post(id=number, method="tools/call", params=params)
        messages = [line.removeprefix("data:") for line in answer.text.splitlines()]
        found = [json.loads(each) for each in messages if each.strip().startswith("{")]
        return dict(found[-1].get("result", found[-1]))

    async def took_s(self, tool: str, **arguments: Any) -> float:  # noqa: ANN401 - JSON
        begun_at_s = self.world.clock.elapsed_s
        await self.world.clock.result(self.call(1, tool, **arguments))
        return round(self.world.clock.elapsed_s - begun_at_s, 2)


@asynccontextmanager
async def posting(world: World) -> AsyncIterator[tuple[Poster, Poster]]:
    """Serve two clients over HTTP without sockets."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Studio]:
        async with world.process() as studio:
            studio.default_wait_s = USUAL_S
            yield studio

    server = build_server(opened)
    open_to_all = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = server.streamable_http_app(transport_security=open_to_all)
    transport = httpx.ASGITransport(app)
    async with (
        server.session_manager.run(),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http,
    ):
        one, other = Poster(world, http), Poster(world, http)
        if now_tested.era == LEGACY:
            await one.hello()
            await other.hello()
        yield one, other


async def test_over_http_a_look_takes_longer_only_in_the_session_that_was_waited_in(
    world: World,
) -> None:
    """A client without a session is a new one at each request."""
    async with posting(world) as (one, other):
        assert await one.took_s("generate_song", description="waltz") == PAID_S
        task_id = (await world.only_task()).public_id
        took = [await one.took_s("get_task", task_id=task_id) for _ in range(2)]
        assert took == [LOOK_S, LONGER_S if now_tested.era == LEGACY else LOOK_S]
        assert await other.took_s("get_task", task_id=task_id) == LOOK_S


@pytest.mark.only_in(LEGACY)
async def test_over_http_a_time_out_is_learnt_of_the_session_whose_call_was_cut(
    world: World,
) -> None:
    async with posting(world) as (one, other), anyio.create_task_group() as group:
        await one.took_s("generate_song", description="waltz")
        task_id = (await world.only_task()).public_id
        asked = {"task_id": task_id, "wait_seconds": 30}
        group.start_soon(partial(one.call, 1, "get_task", **asked))
        await world.clock.run(10.0)
        cut = {"requestId": 1, "reason": "McpError: MCP error -32001: Request timed out"}
        for each in (other, one):  # the ids of sessions are alike
            await each.post(method="notifications/cancelled", params=cut)
            await quiet()
        assert await one.took_s("get_task", **asked) == 9.0
        assert await other.took_s("get_task", **asked) == 30.0


def never(call: Call) -> None:
    raise AssertionError(call)


def of_session(session_id: str, version: str = LEGACY) -> Any:  # noqa: ANN401 - a stand-in
    """A request over HTTP, in a session if it is named."""
    headers = {"mcp-session-id": session_id} if session_id else {}
    request = SimpleNamespace(headers=headers)
    return SimpleNamespace(request=request, protocol_version=version, params={})


@pytest.mark.no_client
def test_over_http_each_session_is_a_client_of_its_own() -> None:
    clients = Clients(never)
    clients.of(of_session("one")).timed_out(10.0)
    assert clients.of(of_session("one")).cap_s == 9.0
    assert clients.of(of_session("two")).cap_s > FOREVER_S


@pytest.mark.no_client
@pytest.mark.parametrize("request_", [of_session(""), of_session("one", MODERN)])
def test_of_a_client_without_a_session_nothing_is_known_after_its_request(request_: Any) -> None:  # noqa: ANN401
    clients = Clients(never)
    clients.of(request_).timed_out(10.0)
    assert clients.of(request_).cap_s > FOREVER_S


@pytest.mark.no_client
def test_of_many_clients_the_one_that_was_heard_last_is_remembered() -> None:
    clients = Clients(never)
    clients.of(of_session("one")).timed_out(10.0)
    for number in range(patience.CLIENTS - 1):
        clients.of(of_session(f"other {number}"))
    assert clients.of(of_session("one")).cap_s == 9.0
    for number in range(patience.CLIENTS):
        clients.of(of_session(f"another {number}"))
    assert clients.of(of_session("one")).cap_s > FOREVER_S


@pytest.mark.no_client
def test_a_client_that_hangs_up_before_its_answer_is_made_to_wait_less() -> None:
    client = Client(reached_s=USUAL_S)
    turn = Turn(client=client, arrived_s=100.0)
    patience.lost(turn, 108.0)
    patience.lost(turn, 109.0)  # of which it is told once
    assert patience.limits(turn, "look", None, USUAL_S)[0] == 7.0
    assert patience.limits(turn, "look", 40.0, USUAL_S)[0] == 40.0
    patience.lost(Turn(client=client, arrived_s=200.0), 208.1)  # no person is that regular
    assert patience.limits(turn, "look", 40.0, USUAL_S)[0] == pytest.approx(7.1)


@pytest.mark.no_client
def test_an_answer_that_was_made_and_not_taken_proves_nothing() -> None:
    client = Client()
    turn = Turn(client=client, arrived_s=0.0, is_unanswered=False)
    patience.lost(turn, 12.0)
    assert client == Client()
