"""A clumsy or hostile client, through real stdio: it harms neither the server nor its own money."""

import json
import os
import random
import re
import select
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import anyio
import pytest

from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from song_mcp.sandbox.state import Rules, Sandbox
from song_mcp.server.adapt import INTERNAL
from tests import children
from tests.children import popen
from tests.faults.scale import report, sample, scaled
from tests.harvest import echoed
from tests.house import environment
from tests.limits import HANGS_S
from tests.voice import beep
from tests.waiting import a_moment
from tests.wire.child import HELLO, SHOWS_PAGES, SONG_MCP, Child, started

Json = dict[str, Any]

RULES = Rules(clip_seconds=1.0, balance_usd=1e6, max_concurrent=100_000)
NEVER_DONE = "[[slow:1000]]"
HUGE = "x" * 3_000_000
WRONG_TYPES: tuple[Any, ...] = ([{"x": 1}, {}], {"x": []}, [[["x"], ["y"]]], {"x": {"y": None}})
"""Values that mean nothing clear: an empty list or object is taken for what was not given."""
NOT_OURS = re.compile(r"Traceback|pydantic|validation error|Error executing|input_value|x{200}")
LONGEST_SENTENCE = 1_000
SEARCHES = ("list_songs", "query")
"""Arguments that may be of any length: that nothing was found is then a correct answer."""
CALLS, CANCELLED, PINGS = scaled(1000), scaled(200), scaled(200)
LINES_CUT = scaled(20, 2)
PAID_AT_ONCE = 20
UNREAD_BYTES = 8 * 2**20
MOST_TAKEN_BYTES = 2**19
"""How many bytes a server takes from a client that reads nothing: some requests, and the pipes."""
MORE_THAN_A_PIPE_TAKES = 40
"""How many lists of tools are more than that."""
DECIDED_AFTER_S = 4
DECIDED_LATE = f"[[timeout:{DECIDED_AFTER_S}]]"
"""In seconds: longer than a server that waits for nobody would take to end."""
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
async def services() -> AsyncIterator[tuple[str, Sandbox]]:
    app = build_app(1.0, rules=RULES, press=beep)
    async with running(echoed(app)) as base_url:
        yield base_url, app.state.sandbox


@pytest.fixture
def sandbox(services: tuple[str, Sandbox]) -> Sandbox:
    return services[1]


@pytest.fixture
def variables(services: tuple[str, Sandbox], tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path, services[0]) | {"SONG_MCP_DAILY_LIMIT": "1000000"}


@pytest.fixture
async def child(tmp_path: Path, variables: dict[str, str]) -> AsyncIterator[Child]:
    async with started(tmp_path, variables) as process:
        process.capabilities = SHOWS_PAGES  # so that all tools are offered
        await process.hello()
        yield process


async def leave(child: Child) -> None:
    """Hang up; the server ends without an error, and has logged none."""
    await child.hang_up()
    with anyio.fail_after(HANGS_S):
        assert await child.ended() == 0
    assert child.stderr() == ""


# Arguments -----------------------------------------------------------------------------------


async def good_arguments(child: Child) -> dict[str, Json]:
    """Make a song; returns arguments for each tool, of which a test spoils one at a time."""
    song = await child.tool("generate_song", description="x", wait_seconds=55)
    task = song["structuredContent"]
    looked = {"task_id": task["task_id"], "wait_seconds": 0}
    new = {"description": "new", "wait_seconds": 0}
    return {
        "generate_song": new,
        "extend_song": new | {"clip_id": task["clips"][0]["clip_id"]},
        "cover_song": new | {"clip_id": task["clips"][0]["clip_id"], "model": "ace-step"},
        "get_task": looked,
        "fetch_suno_task": looked,
        "play_song": {},
        "join_song": {"clip_id": task["clips"][0]["clip_id"]},
        "read_clip": {"clip_id": task["clips"][0]["clip_id"]},
        "generate_lyrics": {"topic": "new", "wait_seconds": 0},
        "list_songs": {},
        "check_account": {},
        "resolve_task": {"task_id": task["task_id"], "action": "check"},
    }


def spoilt(tool: Json) -> Iterator[tuple[str, Any]]:
    """Yield each argument of a tool with values that it cannot have, and one that it has not."""
    for name in tool["inputSchema"]["properties"]:
        yield name, HUGE
        yield from ((name, value) for value in WRONG_TYPES)
    yield "nobody_knows", [HUGE]
    yield HUGE, "x"


async def test_oversized_and_wrong_arguments_are_refused_unpaid(
    child: Child, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    good = await good_arguments(child)
    tools = (await child.ask("tools/list", {}))["result"]["tools"]
    assert {tool["name"] for tool in tools} == set(good)
    paid, count, wrong = len(sandbox.accepted), Counter[str](), list[str]()
    for tool in tools:
        for name, value in sample(spoilt(tool)):
            if (tool["name"], name) == SEARCHES and value is HUGE:
                continue
            result = await child.tool(tool["name"], **good[tool["name"]] | {name: value})
            wrong += wrong_with(result, f"{tool['name']} {name[:60]}={str(value)[:60]}")
            count[tool["name"]] += 1
    assert not wrong, "\n".join(wrong)
    found = await child.tool("list_songs", query=HUGE)
    assert len(str(found)) <= LONGEST_SENTENCE
    assert (await child.ask("ping", {}))["result"] == {}
    assert len(sandbox.accepted) == paid
    await leave(child)
    with capsys.disabled():
        report(f"\nclient side: {count.total()} spoilt arguments, each refused: {dict(count)}")


def wrong_with(result: Json, case: str) -> list[str]:
    """Return what is wrong with a refusal: it must be a sentence of ours that echoes little."""
    (block,) = result["content"]
    text = block["text"]
    is_wrong = {
        "no error": not result.get("isError"),
        f"{len(text)} characters": len(text) > LONGEST_SENTENCE,
        "internal error": text == INTERNAL,
        "not our sentence": bool(NOT_OURS.search(text)),
    }
    return [f"{case}: {what}: {text[:80]}" for what, found in is_wrong.items() if found]


# Many at once --------------------------------------------------------------------------------


def call_of(number: int) -> Json:
    """Return the call with this number: a list, a look or a new song, in turn."""
    calls: tuple[Json, ...] = (
        {"name": "list_songs", "arguments": {"query": f"song-{number}"}},
        {"name": "get_task", "arguments": {"task_id": f"task-{number}", "wait_seconds": 0}},
        {
            "name": "generate_song",
            "arguments": {"description": f"song-{number}.", "wait_seconds": 0},
        },
    )
    return calls[number % len(calls)]


async def answers(child: Child, wanted: set[int]) -> Counter[int]:
    """Read until each of these requests has an answer; returns how many each had."""
    seen: Counter[int] = Counter()
    while not wanted <= set(seen):
        message = json.loads(await child.line())
        if "id" in message and "method" not in message:
            assert INTERNAL not in str(message)
            seen[message["id"]] += 1
    return seen


async def test_a_thousand_calls_at_once_are_answered_once_each(
    child: Child, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    before, began = len(sandbox.accepted), anyio.current_time()
    first = 1000
    wanted = set(range(first, first + CALLS))

    async def send_all() -> None:
        for number in wanted:
            await child.send({"id": number, "method": "tools/call", "params": call_of(number)})

    async with anyio.create_task_group() as group:
        group.start_soon(send_all)
        seen = await answers(child, wanted)
    took = anyio.current_time() - began
    assert (await child.ask("ping", {}))["result"] == {}
    assert seen == Counter(wanted)
    songs = sum(call_of(number)["name"] == "generate_song" for number in wanted)
    accepted = [item.canonical for item in list(sandbox.accepted)[before:]]
    assert len(accepted) == len(set(accepted)) == songs
    await leave(child)
    with capsys.disabled():
        report(f"\nclient side: {CALLS} calls at once, {songs} of them paid, in {took:.1f} s")


async def test_cancelling_at_random_loses_nothing(
    child: Child, sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dice, before = random.Random(1), len(sandbox.accepted)  # noqa: S311 - no secret
    wanted = set(range(10_000, 10_000 + CANCELLED))
    cancelled = set(dice.sample(sorted(wanted), CANCELLED // 2))

    async def send_all() -> None:
        for number in wanted:
            await child.send({"id": number, "method": "tools/call", "params": call_of(number)})
            if number in cancelled and dice.random() < 0.5:
                await cancel(child, number)
        for number in cancelled:
            await cancel(child, number)

    async with anyio.create_task_group() as group:
        group.start_soon(send_all)
        seen = await answers(child, wanted - cancelled)
    assert (await child.ask("ping", {}))["result"] == {}
    await leave(child)
    accepted = [item.task_id for item in list(sandbox.accepted)[before:]]
    assert sorted(accepted) == sorted(ids_in_journal(tmp_path))
    assert set(seen.values()) == {1}
    with capsys.disabled():
        report(
            f"\nclient side: {CANCELLED} calls, {len(cancelled)} of them cancelled, "
            f"{len(accepted)} paid, each in the journal"
        )


async def cancel(child: Child, number: int) -> None:
    await child.send({"method": "notifications/cancelled", "params": {"requestId": number}})


def ids_in_journal(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "home" / "journal.sqlite3")) as db:
        return [task_id for (task_id,) in db.execute("SELECT task_id FROM tasks")]


async def test_pings_are_answered_while_paid_calls_wait(
    child: Child, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(sandbox.accepted)
    for number in range(PAID_AT_ONCE):
        arguments = {"description": f"ping {number} {NEVER_DONE}", "wait_seconds": 55}
        await child.request("tools/call", {"name": "generate_song", "arguments": arguments})
    while len(sandbox.accepted) < before + PAID_AT_ONCE:
        await a_moment()
    took_ms = []
    for _ in range(PINGS):
        began = anyio.current_time()
        assert (await child.ask("ping", {}))["result"] == {}
        took_ms.append(1000 * (anyio.current_time() - began))
    with capsys.disabled():
        report(
            f"\nclient side: {PINGS} pings while {PAID_AT_ONCE} paid calls wait: median "
            f"{median(took_ms):.1f} ms, worst {max(took_ms):.1f} ms (goal 50 ms)"
        )
    await leave(child)


# The end -------------------------------------------------------------------------------------


async def test_it_ends_soon_after_the_end_of_stdin(
    child: Child, capsys: pytest.CaptureFixture[str]
) -> None:
    await child.tool("list_songs")
    began = anyio.current_time()
    await leave(child)
    with capsys.disabled():
        took = anyio.current_time() - began
        report(f"\nclient side: ended {took:.2f} s after the end of stdin (goal 2 s)")


async def test_a_line_that_breaks_off_is_no_call(
    tmp_path: Path, variables: dict[str, str], sandbox: Sandbox
) -> None:
    dice, before = random.Random(2), len(sandbox.accepted)  # noqa: S311 - no secret
    params = {"name": "generate_song", "arguments": {"description": "cut", "wait_seconds": 0}}
    line = json.dumps({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params})
    for _ in range(LINES_CUT):
        with anyio.fail_after(HANGS_S):
            async with started(tmp_path, variables) as child:
                await child.hello()
                assert child.process.stdin is not None
                await child.process.stdin.send(line[: dice.randint(1, len(line) - 1)].encode())
                await leave(child)
    assert len(sandbox.accepted) == before


@pytest.mark.first
@pytest.mark.parametrize("closes_stdout", [True, False], ids=["vanishes", "keeps stdout"])
def test_a_client_that_never_reads_ends_the_server_by_hanging_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, closes_stdout: bool
) -> None:
    values = {"HOME": str(tmp_path), **environment(tmp_path, NOBODY)}
    pipe = subprocess.PIPE
    with (
        (tmp_path / "stderr.txt").open("wb") as stderr,
        popen(SONG_MCP, stdin=pipe, stdout=pipe, stderr=stderr, env=values) as process,
    ):
        sent = send_without_reading(process)
        kib = resident_kib(process.pid)
        assert process.poll() is None
        hang_up(process, closes_stdout=closes_stdout)
        began = time.monotonic()
        assert process.wait(HANGS_S) == 0
        took = time.monotonic() - began
    assert (tmp_path / "stderr.txt").read_text(encoding="utf-8") == ""
    assert sent <= MOST_TAKEN_BYTES
    with capsys.disabled():
        report(
            f"\nclient side: {sent} bytes of requests sent, no answer read, "
            f"{kib // 1024} MiB resident, ended in {took:.2f} s (goal 2 s)"
        )


def send_without_reading(process: subprocess.Popen[bytes]) -> int:
    """Send requests until the server takes no more, or a bound; returns how many bytes it took."""
    assert process.stdin is not None
    assert process.stdout is not None
    os.write(process.stdin.fileno(), line_of("initialize", HELLO))
    assert process.stdout.read(1)  # it has started
    done = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"})
    os.write(process.stdin.fileno(), f"{done}\n".encode())
    lines, sent = line_of("tools/list", {}) * 16, 0  # less than what a pipe takes whole
    while sent < UNREAD_BYTES and select.select([], [process.stdin], [], 3.0)[1]:
        sent += os.write(process.stdin.fileno(), lines)
    return sent


def line_of(method: str, params: Json) -> bytes:
    return (
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n"
    )


def resident_kib(pid: int) -> int:
    command = ("ps", "-o", "rss=", "-p", str(pid))
    return int(children.run(command, capture_output=True).stdout)


def hang_up(process: subprocess.Popen[bytes], *, closes_stdout: bool) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    if closes_stdout:
        process.stdout.close()


async def test_a_paid_call_is_decided_although_its_client_hung_up_and_reads_nothing(
    child: Child, sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The call behind the stuck answers is never read, and so never paid."""
    before, held = len(sandbox.accepted), len(sandbox.held)
    await child.request("tools/call", paid_call(f"decided {DECIDED_LATE}"))
    while len(sandbox.held) == held:
        await a_moment()
    for _ in range(MORE_THAN_A_PIPE_TAKES):
        await child.request("tools/list", {})
    await child.request("initialize", HELLO)  # nothing is read until it is answered
    await child.request("tools/call", paid_call("never read"))
    await child.hang_up()
    with anyio.fail_after(HANGS_S):
        assert await child.process.wait() == 0
    assert child.stderr() == ""
    (accepted,) = list(sandbox.accepted)[before:]
    assert ids_in_journal(tmp_path) == [accepted.task_id]
    with capsys.disabled():
        report(
            "\nclient side: 1 paid call in flight at the end, its id in the journal; 1 never read"
        )


def paid_call(description: str) -> Json:
    return {
        "name": "generate_song",
        "arguments": {"description": description, "wait_seconds": 55},
    }


async def test_a_client_that_hung_up_and_then_reads_gets_every_answer(
    tmp_path: Path, variables: dict[str, str], sandbox: Sandbox
) -> None:
    """As in a shell pipe, all is written, stdin ends, and only then the answers are read.

    Nobody waits for a song that is not done: its call ends without an answer, as clients raise at
    an error then, and its task is in the journal.
    """
    before = len(sandbox.accepted)
    async with started(tmp_path, variables) as child:
        with anyio.fail_after(HANGS_S):
            opening = await child.request("initialize", HELLO)
            listed = [await child.request("tools/list", {}) for _ in range(MORE_THAN_A_PIPE_TAKES)]
            kept = await child.request("tools/call", {"name": "list_songs", "arguments": {}})
            await child.request("tools/call", paid_call(f"piped {NEVER_DONE}"))
            await child.hang_up()
            assert await child.ended() == 0
    answers = [message for message in child.messages() if "id" in message]
    assert sorted(answer["id"] for answer in answers) == [opening, *listed, kept]
    assert not [answer["id"] for answer in answers if "error" in answer]
    assert ids_in_journal(tmp_path) == [item.task_id for item in list(sandbox.accepted)[before:]]
