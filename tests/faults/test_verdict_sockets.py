"""What a real socket did, and what that means for the money: a table with a row a behaviour.

Each row goes through the real adapter, the submitter and the journal, over a real connection.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, cast

import anyio
import pytest

from song_mcp.clock import Clock
from song_mcp.inbox import Inbox
from song_mcp.journal import Journal, Liveness
from song_mcp.providers import Submission, transport
from song_mcp.songs import MODELS, SERVICES, Model, Request, ServiceName, SongRequest, Task
from song_mcp.studio import Poller, Saver, Submitter
from song_mcp.studio.calls import Calls
from tests.faults.apis import AUDIO
from tests.faults.scale import report, sample, scaled
from tests.faults.sockets import (
    BareService,
    Script,
    chunked,
    ignoring,
    playing,
    refusing,
    response,
)
from tests.models import DEFAULT_SUNO, UDIO

MODEL_OF: Mapping[ServiceName, Model] = {
    "piapi": UDIO,
    "gptge": DEFAULT_SUNO,
    "minimax": MODELS["minimax-3"],
    "acestep": MODELS["ace-step-local"],
}
OLDER: tuple[ServiceName, ...] = ("piapi", "gptge")
TASK_ID = "11111111-2222-4333-8444-555555555555"
ENDLESS_S = 60.0
SHORT_S = 0.3
ROUNDS = scaled(3)

ACCEPTED = "accepted, charged: yes"
ACCEPTED_AS = {False: ACCEPTED, True: "accepted, charged: no"}
"""By whether it is free."""
REJECTED = "rejected, charged: no"
IN_DOUBT = "in_doubt, charged: unknown"


# What the services say -------------------------------------------------------------------------


def told(piapi: object, gptge: object, status: int = 200, *headers: str) -> Script:
    """Answer each service's client with JSON of its own; newer ones get what gpt.ge says."""
    bodies: Mapping[ServiceName, object] = dict.fromkeys(TAKEN, gptge) | {"piapi": piapi}
    return Script(
        sends={name: response(status, json.dumps(bodies[name]), *headers) for name in TAKEN}
    )


def taken(status: int = 200, *headers: str) -> Script:
    """Say that the submission was accepted, with an id."""
    return Script(sends=whole(lambda body: response(status, body, *headers)))


def said(status: int, message: str, code: str = "", *headers: str) -> Script:
    """Say no in each service's form; `code` is gpt.ge's."""
    piapi = {"code": status, "data": None, "message": message}
    gptge = {"code": code or "invalid_request", "data": None, "message": message}
    return told(piapi, gptge, status, *headers)


def within_200(code: int | str, message: str = "no") -> Script:
    """Say no while HTTP says yes; gpt.ge's codes are texts."""
    body = {"code": code, "data": None, "message": message}
    return told(body, body | {"code": str(code)})


def gate(status: int, message: str, code: str = "", kind: str = "new_api_error") -> Script:
    body = {"error": {"message": message, "type": kind, "code": code}}
    return told(body, body, status)


def page(status: int, text: str = "<html>Bad gateway</html>", *headers: str) -> Script:
    return Script(sends=response(status, text, "Content-Type: text/html", *headers))


def raw(sends: bytes, ends: Any = "close") -> Script:  # noqa: ANN401 - one of the literals
    return Script(sends=sends, ends=ends)


TAKEN: Mapping[ServiceName, dict[str, object]] = {
    "piapi": {
        "code": 200,
        "data": {"task_id": TASK_ID, "model": "music-u", "status": "pending", "output": None},
        "message": "success",
    },
    "gptge": {"code": "success", "message": "", "data": TASK_ID},
    "minimax": {
        "data": {"audio": AUDIO.hex(), "status": 2},
        "trace_id": TASK_ID,
        "base_resp": {"status_code": 0, "status_msg": "success"},
    },
    "acestep": {"data": {"task_id": TASK_ID, "status": "queued"}, "code": 200, "error": None},
}
FAILED_TASK = {"task_id": TASK_ID, "status": "failed", "error": {"message": "failed to do request"}}
BYTES: Mapping[ServiceName, bytes] = {name: json.dumps(TAKEN[name]).encode() for name in TAKEN}
WHOLE: Mapping[ServiceName, bytes] = {name: response(200, BYTES[name]) for name in TAKEN}


def whole(change: Callable[[bytes], bytes]) -> Mapping[ServiceName, bytes]:
    """Return the body of a good reply, changed, for each service."""
    return {name: change(body) for name, body in BYTES.items()}


# The table -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A behaviour and its outcome: how often the request arrived, and how often it was tried.

    `piapi` and `gptge` are the outcomes, `says` a part of the sentence that the person reads.
    """

    name: str
    script: Script
    piapi: str
    gptge: str
    says: str = ""
    deadline_s: float = ENDLESS_S
    arrived: int = 1
    tried: int = 1


def row(name: str, script: Script, outcome: str, says: str = "", **more: Any) -> Row:  # noqa: ANN401
    return Row(name, script, outcome, outcome, says, **more)


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

CONNECTIONS = [
    row("closed unread", Script("nothing"), IN_DOUBT, "connection broke"),
    row("reset unread", Script("nothing", ends="reset"), IN_DOUBT, "connection broke"),
    row("closed after half the request", Script("half"), IN_DOUBT),
    row("reset after half the request", Script("half", ends="reset"), IN_DOUBT),
    row("closed without an answer", Script(), IN_DOUBT, "may have been accepted"),
    row("reset without an answer", Script(ends="reset"), IN_DOUBT),
    row("no answer until the deadline", Script(ends="hold"), IN_DOUBT, deadline_s=SHORT_S),
    row("never read until the deadline", Script("nothing", ends="hold"), IN_DOUBT, deadline_s=0.2),
    row("refused without being read", Script("nothing", said(400, "no").sends), IN_DOUBT),
]
BROKEN_ANSWERS = [
    row("half a head", raw(HEAD), IN_DOUBT),
    row("half a head, then reset", raw(HEAD, "reset"), IN_DOUBT),
    row("half a head, then nothing", raw(HEAD, "hold"), IN_DOUBT, deadline_s=SHORT_S),
    row("half a status line", raw(b"HTTP/1.1 20"), IN_DOUBT),
    row(
        "half a body",
        Script(sends=whole(lambda body: response(200, body[:30], length=90))),
        IN_DOUBT,
    ),
    row(
        "half a body, then reset",
        Script(sends=whole(lambda body: response(200, body[:30], length=90)), ends="reset"),
        IN_DOUBT,
    ),
    row(
        "half a body, then nothing",
        Script(sends=whole(lambda body: response(200, body[:30], length=90)), ends="hold"),
        IN_DOUBT,
        deadline_s=SHORT_S,
    ),
    row(
        "a whole body that claims to be longer",
        Script(sends=whole(lambda body: response(200, body, length=len(body) + 9))),
        IN_DOUBT,
    ),
    row(
        "a body that claims to be shorter",
        Script(sends=whole(lambda body: response(200, body, length=len(body) - 9))),
        IN_DOUBT,
    ),
    row("a length that is no number", raw(HEAD + b"Content-Length: x\r\n\r\n{}"), IN_DOUBT),
    row("a negative length", raw(HEAD + b"Content-Length: -5\r\n\r\n{}"), IN_DOUBT),
    row(
        "two lengths",
        raw(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}}"),
        IN_DOUBT,
    ),
    row(
        "chunks cut off", Script(sends=whole(lambda b: chunked(b[:30], last=b"40\r\n{"))), IN_DOUBT
    ),
    row("chunks without an end", Script(sends=whole(lambda b: chunked(b, last=b""))), IN_DOUBT),
    row(
        "a chunk of odd size",
        Script(sends=whole(lambda b: chunked(b[:30], last=b"zz\r\n"))),
        IN_DOUBT,
    ),
    row("a refusal cut off", raw(response(400, b'{"code":"invalid_re', length=90)), IN_DOUBT),
    row("garbage", raw(bytes(range(256)) * 4), IN_DOUBT),
    row("zeros", raw(b"\x00" * 300), IN_DOUBT),
    row("the greeting of another protocol", raw(b"SSH-2.0-OpenSSH_9.7\r\n"), IN_DOUBT),
    row("HTTP/0.9: a bare body", Script(sends=BYTES), IN_DOUBT),
    row("a status of two digits", raw(b"HTTP/1.1 20 OK\r\n\r\n{}"), IN_DOUBT),
    row("an endless head", raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000), IN_DOUBT),
    row("a body of more than 4 MB", raw(response(200, b'"' + b"x" * 5_000_000 + b'"')), IN_DOUBT),
    row("plain that claims to be gzip", taken(200, "Content-Encoding: gzip"), IN_DOUBT),
    row("only 100 Continue", raw(CONTINUE), IN_DOUBT),
    row("100 Continue without end", raw(CONTINUE * 9, "hold"), IN_DOUBT, deadline_s=SHORT_S),
    row("101 to another protocol", raw(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"), IN_DOUBT),
]
TAKEN_ANSWERS = [
    row("an id", taken(), ACCEPTED),
    *[row(f"an id with HTTP {s}", taken(s), ACCEPTED) for s in (201, 202, 302, 400, 401, 404, 429)],
    *[row(f"an id with HTTP {s}", taken(s), ACCEPTED) for s in (408, 409, 500, 502, 503, 504, 524)],
    row(
        "an id after 100 Continue",
        Script(sends=whole(lambda b: CONTINUE + response(200, b))),
        ACCEPTED,
    ),
    row(
        "an id after early hints",
        Script(sends=whole(lambda b: HINTS * 3 + response(200, b))),
        ACCEPTED,
    ),
    row("an id in chunks", Script(sends=whole(lambda b: chunked(b[:9], b[9:]))), ACCEPTED),
    row("an id until the end", Script(sends=whole(lambda b: HEAD + b"\r\n" + b)), ACCEPTED),
    row(
        "an id behind a mark of byte order",
        Script(sends=whole(lambda b: response(200, b"\xef\xbb\xbf" + b))),
        ACCEPTED,
    ),
    row("an id, then a reset connection", Script(sends=WHOLE, ends="hold"), ACCEPTED),
    row("an id before the request was read", Script("half", WHOLE, "hold"), ACCEPTED),
    Row(
        "a failed task with HTTP 500",
        told({"code": 500, "data": FAILED_TASK, "message": "failed"}, TAKEN["gptge"], 500),
        "accepted, charged: unknown",
        ACCEPTED,
    ),
]
REFUSALS = [
    row("HTTP 400 in the service's form", said(400, "too long"), REJECTED, "too long"),
    row(
        "HTTP 401 in the service's form", said(401, "bad key"), REJECTED, "does not accept the key"
    ),
    row("HTTP 402 in the service's form", said(402, "no money"), REJECTED, "Top up"),
    row("HTTP 403 in the service's form", said(403, "banned"), REJECTED),
    row("HTTP 404 in the service's form", said(404, "no such path"), REJECTED),
    row("HTTP 422 in the service's form", said(422, "not like this"), REJECTED),
    row("an error code within HTTP 200", within_200(400), REJECTED),
    row("code 401 within HTTP 200", within_200(401, "bad key"), REJECTED),
    row("maintenance", said(503, "Service is under maintenance"), REJECTED, "maintenance"),
    row("maintenance on a page", page(503, "Service is under maintenance"), REJECTED),
    row("a stopped model", said(400, "this model: service stopped"), REJECTED),
    Row(
        "no money with HTTP 500",
        said(500, "insufficient credits", "quota_not_enough"),
        IN_DOUBT,
        REJECTED,
    ),
    row("no money with HTTP 200", within_200(402, "insufficient credits"), REJECTED, "Top up"),
    row(
        "plan limit",
        said(429, "active task count 2 has reached the plan limit"),
        REJECTED,
        "list_songs",
    ),
    row(
        "plan limit with HTTP 400",
        said(400, "active task count 2 has reached the plan limit"),
        REJECTED,
    ),
    Row("no channel", gate(503, "无可用渠道", "model_not_found"), IN_DOUBT, REJECTED),
    Row("the gate: bad key", gate(401, "无效的令牌"), IN_DOUBT, REJECTED),
    Row("the gate: banned", gate(403, "用户已被封禁"), IN_DOUBT, REJECTED),
    Row("the gate: database", gate(500, "数据库错误"), IN_DOUBT, REJECTED),
    Row("the gate with HTTP 502", gate(502, "bad gateway"), IN_DOUBT, REJECTED),
    Row("the gate with HTTP 503", gate(503, "later"), IN_DOUBT, REJECTED),
    Row("the gate with HTTP 200", gate(200, "no"), IN_DOUBT, REJECTED),
    Row("the gate with HTTP 409", gate(409, "no"), IN_DOUBT, REJECTED),
]
TOO_MANY = [
    row("429 in the service's form", said(429, "slow down"), REJECTED, "in a minute"),
    row("429 on a page", page(429), REJECTED, "in a minute"),
    row("429 and nothing", page(429, ""), REJECTED, "in a minute"),
    row("429 with seconds", said(429, "slow", "", "Retry-After: 30"), REJECTED, "in 30 s"),
    row("429 with far too many seconds", page(429, "", "Retry-After: 86400"), REJECTED, "in 120 s"),
    row(
        "429 with a date",
        page(
            429,
            "",
            "Date: Wed, 01 Jul 2026 10:00:00 GMT",
            "Retry-After: Wed, 01 Jul 2026 10:00:45 GMT",
        ),
        REJECTED,
        "in 45 s",
    ),
    row("429 with nonsense", page(429, "", "Retry-After: soon"), REJECTED, "in a minute"),
    row("429 within HTTP 200", within_200(429), REJECTED, "in a minute"),
    row(
        "429 with a quota code",
        said(429, "quota is not enough", "local:quota_not_enough"),
        REJECTED,
        "no credits left",
    ),
]
REDIRECTS = [
    *[
        row(f"HTTP {s} to elsewhere", page(s, "", "Location: /x"), REJECTED)
        for s in (300, 301, 303)
    ],
    *[
        row(f"HTTP {s} to elsewhere", page(s, "", "Location: /x"), REJECTED)
        for s in (302, 307, 308)
    ],
    row("HTTP 302 to another host", page(302, "", "Location: https://a.example/"), REJECTED),
    row("HTTP 307 without a place", page(307, ""), REJECTED, "redirect (HTTP 307)"),
    row("HTTP 302 to nonsense", page(302, "", "Location: http://[:::"), REJECTED),
    row("HTTP 304", page(304, ""), REJECTED),
]
DOUBTS = [
    row("a stopped model with HTTP 500", said(500, "this model: service stopped"), IN_DOUBT),
    row(
        "plan limit with HTTP 500",
        said(500, "active task count 2 has reached the plan limit"),
        IN_DOUBT,
    ),
    row("the wish with HTTP 400", page(400, "no credits for a slow harbour waltz"), IN_DOUBT),
    Row(
        "the wish in the gate's form",
        gate(500, "cannot sing: slow harbour waltz"),
        IN_DOUBT,
        IN_DOUBT,
    ),
    *[row(f"HTTP {s} in the form", said(s, "hm", "hm"), IN_DOUBT) for s in (405, 408, 409, 418)],
    *[
        row(f"HTTP {s} in the form", said(s, "hm", "hm"), IN_DOUBT)
        for s in (500, 502, 503, 504, 524)
    ],
    *[row(f"HTTP {s} on a page", page(s), IN_DOUBT) for s in (400, 401, 402, 403, 404, 408, 409)],
    *[row(f"HTTP {s} on a page", page(s), IN_DOUBT) for s in (422, 500, 502, 503, 504, 524)],
    row("HTML with HTTP 200", page(200, "<!doctype html><title>x"), IN_DOUBT, "a web page"),
    row("nothing with HTTP 200", page(200, ""), IN_DOUBT, "nothing"),
    row("HTTP 204", raw(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"), IN_DOUBT),
    row("null", page(200, "null"), IN_DOUBT),
    row("an empty object", page(200, "{}"), IN_DOUBT),
    row("a bare id", page(200, f'"{TASK_ID}"'), ACCEPTED),
    row("success without an id", within_200(200, "success"), IN_DOUBT, "without a task id"),
    row("code 500 within HTTP 200", within_200(500), IN_DOUBT),
    row("code 10000 within HTTP 200", within_200(10000), IN_DOUBT),
    row("maintenance on a page with HTTP 200", page(200, "Service is under maintenance"), IN_DOUBT),
    row("the upstream was lost", said(500, "dial tcp: i/o timeout", "do_request_failed"), IN_DOUBT),
    row("a crash in the gate's form", gate(500, "x", kind="new_api_panic"), IN_DOUBT),
    row("a crash that only the text tells", gate(500, "Panic detected, error: x"), IN_DOUBT),
    row("an error that is a text", page(403, '{"error": "Forbidden"}'), IN_DOUBT),
]
ROWS = [
    *CONNECTIONS,
    *BROKEN_ANSWERS,
    *TAKEN_ANSWERS,
    *REFUSALS,
    *TOO_MANY,
    *REDIRECTS,
    *DOUBTS,
]


# The newer services ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Newer:
    """A model of a newer service: what a lost answer means there, and how often it is sent then."""

    model: str
    lost: str
    sent: int = 1
    says: str = ""


NEWER = [
    Newer("ace-step", IN_DOUBT),
    Newer("minimax-3", IN_DOUBT, says="nothing can be looked up"),
    Newer("minimax-3-free", REJECTED, says="costs nothing"),
    Newer("ace-step-local", REJECTED, 3, "costs nothing"),
]
WITH_THE_SONG = {
    "a whole body that claims to be longer",
    "a body that claims to be shorter",
    "chunks without an end",
}
"""Broken answers that bring all of a song, if it comes with the answer."""


def minimax(code: object, message: str = "no", status: int = 200, audio: object = "") -> Script:
    """Answer as MiniMax does; `audio` is what its answer has there."""
    body = {
        "data": {"audio": audio, "status": 1},
        "trace_id": TASK_ID,
        "base_resp": {"status_code": code, "status_msg": message},
    }
    return Script(sends=response(status, json.dumps(body)))


def part_of_the_audio(share: float, ends: Any = "close") -> Script:  # noqa: ANN401 - a literal
    """Break off within the digits of the audio."""
    body = BYTES["minimax"]
    cut = round(len(body) * share)
    return Script(sends=response(200, body[:cut], length=len(body)), ends=ends)


WISH = 'a song of "audio":"00ff", slow'
"""A description that looks like an answer with audio."""
ROWS_OF_MINIMAX = [
    *[
        row(f"{share:%} of the audio, then {ends}", part_of_the_audio(share, ends), IN_DOUBT)
        for share in (0.1, 0.5, 0.9)
        for ends in ("close", "reset")
    ],
    row("no more audio", part_of_the_audio(0.5, "hold"), IN_DOUBT, deadline_s=SHORT_S),
    row(
        "audio that is no hexadecimal digits",
        minimax(0, audio="00ffzz00"),
        "accepted, charged: yes",
        "could not be kept",
    ),
    row("no audio", minimax(0), IN_DOUBT),
    row("audio that is null", minimax(0, audio=None), IN_DOUBT),
    row("audio that is a list", minimax(0, audio=["00"]), IN_DOUBT),
    *[row(f"code {code}", minimax(code), IN_DOUBT) for code in (1000, 1001, 1013, 1024, 9, -1)],
    *[row(f"code {code}", minimax(code), REJECTED) for code in (1002, 1004, 1008, 1026, 2013)],
    row("code 2049", minimax(2049), REJECTED, "key"),
    row("code 1008 as a text", minimax("1008"), REJECTED, "Top up"),
    row("code 1026 with HTTP 400", minimax(1026, status=400), REJECTED),
    row("code 1001 with HTTP 504", minimax(1001, status=504), IN_DOUBT),
    row("code 1001 that says it is refused", minimax(1001, "insufficient balance"), IN_DOUBT),
    row("the audio with HTTP 500", taken(500), ACCEPTED),
    row("code 1001 with words for audio", minimax(1001, audio="failed"), IN_DOUBT),
    row("code 1026 with words for audio", minimax(1026, audio="bad words"), REJECTED),
    row("a page that repeats a wish", page(502, f"no way to make {WISH}"), IN_DOUBT),
    row("an error that repeats a wish", page(500, json.dumps({"message": f"no {WISH}"})), IN_DOUBT),
]


# The bench -------------------------------------------------------------------------------------


class _NoSaver:
    """Saves nothing of what came with an answer."""

    async def save_due(self, task: Task) -> None:
        pass


@dataclass
class Bench:
    """A submitter with its journal, and the end of each submission."""

    submitter: Submitter
    journal: Journal
    folder: Path
    numbers: Iterator[int] = field(default_factory=count)

    async def submitted(self, model: Model, base_url: str, deadline_s: float) -> tuple[Task, int]:
        """Pay once at `base_url`; returns what the journal says in the end, and the tries."""
        service = SERVICES[model.service]
        more = {"inbox": Inbox(self.folder, cap_bytes=2**20)} if service.answers_with_audio else {}
        adapter = _hurried(resolve_name(service.adapter), deadline_s)("key-1234", base_url, **more)
        pauses: list[float] = []
        adapter._http._pause = _noting(pauses)  # noqa: SLF001 - the pauses are real time
        adapter._pause = _noting([])  # noqa: SLF001 - likewise
        request = SongRequest(model, f"slow harbour waltz {next(self.numbers)}")
        prepared = await self.submitter.pay(request, adapter, another_take=False, calls=Calls())
        task = await self._decided(prepared.task)
        await adapter.close()
        return task, 1 + len(pauses)

    async def _decided(self, task: Task) -> Task:
        while task.status == "submitting":
            written = self.journal.written
            found = await self.journal.find(task.local_id)
            assert found is not None
            task = found
            if task.status == "submitting":
                await written.wait()
        return task


def _hurried(adapter: Any, deadline_s: float) -> Any:  # noqa: ANN401 - any adapter's class
    """Return a kind of adapter whose every submission must be answered within `deadline_s`."""

    class Hurried(adapter):  # type: ignore[misc]  # any of them
        def prepare(self, request: Request) -> Submission:
            prepared: Submission = super().prepare(request)
            return replace(prepared, deadline_s=deadline_s)

    return Hurried


def _noting(pauses: list[float]) -> Callable[[float], Awaitable[None]]:
    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    return pause


@asynccontextmanager
async def open_bench(folder: Path) -> AsyncIterator[Bench]:
    clock = Clock()
    journal = Journal(folder / "journal.sqlite3", clock.now)
    async with anyio.create_task_group() as work:
        submitter = Submitter(
            journal=journal,
            liveness=Liveness(folder / "processes"),
            clock=clock,
            work=work,
            poller=Poller({}, journal, clock, cast("Saver", _NoSaver())),
            daily_limit=1_000_000,
        )
        bench = Bench(submitter, journal, folder / "inbox")
        yield bench
        await bench.submitter.settled()
    await journal.close()


def outcome(task: Task) -> str:
    """Return the outcome of the submission: with an id it was accepted, whatever came later."""
    status = "accepted" if task.task_id else task.status
    assert task.task_id in {"", TASK_ID} or task.task_id.startswith("minimax-")
    return f"{status}, charged: {task.charged}"


# The tests -------------------------------------------------------------------------------------


async def difference(bench: Bench, model: Model, r: Row, expected: str) -> str:
    """Play a row's script to the client of a model's service; returns how the outcome differs."""
    async with playing(model.service, r.script) as played:
        url = f"http://127.0.0.1:{played.port}"
        task, tried = await bench.submitted(model, url, r.deadline_s)
    found = (outcome(task), played.arrived, tried)
    if found == (expected, r.arrived, r.tried) and r.says in task.error:
        return ""
    return f"{r.name}: expected {expected, r.arrived} {r.says!r}, found {found} {task.error!r}"


@pytest.mark.parametrize("service", OLDER)
async def test_whatever_a_socket_does_is_sorted_by_the_table(
    service: ServiceName, tmp_path: Path
) -> None:
    assert len({r.name for r in ROWS}) == len(ROWS) >= 25
    model = MODEL_OF[service]
    async with open_bench(tmp_path) as bench:
        found = [
            await difference(bench, model, r, r.piapi if service == "piapi" else r.gptge)
            for r in sample(ROWS) * ROUNDS
        ]
    report(f"{service}: {len(ROWS)} behaviours of a socket, {len(found)} submissions")
    assert list(filter(None, found)) == []


@pytest.mark.parametrize("newer", NEWER, ids=lambda newer: newer.model)
async def test_a_lost_answer_of_a_newer_service_is_a_doubt_only_if_it_is_paid(
    newer: Newer, tmp_path: Path
) -> None:
    model = MODELS[newer.model]
    brings_songs = SERVICES[model.service].answers_with_audio
    async with open_bench(tmp_path) as bench:
        found = []
        for r in sample(CONNECTIONS + BROKEN_ANSWERS) * ROUNDS:
            is_whole = brings_songs and r.name in WITH_THE_SONG
            lost = replace(r, says=newer.says or r.says, arrived=newer.sent)
            expected = ACCEPTED_AS[model.is_free] if is_whole else newer.lost
            found.append(await difference(bench, model, r if is_whole else lost, expected))
    report(f"{newer.model}: {len(found)} submissions whose answer was lost")
    assert list(filter(None, found)) == []


@pytest.mark.parametrize("name", ["minimax-3", "minimax-3-free"])
async def test_what_minimax_says_is_sorted_by_its_table(name: str, tmp_path: Path) -> None:
    model = MODELS[name]
    async with open_bench(tmp_path) as bench:
        found = []
        for r in sample(ROWS_OF_MINIMAX) * ROUNDS:
            free = {IN_DOUBT: REJECTED, ACCEPTED: ACCEPTED_AS[True]}.get(r.piapi, r.piapi)
            found.append(await difference(bench, model, r, free if model.is_free else r.piapi))
    report(f"{name}: {len(ROWS_OF_MINIMAX)} answers, {len(found)} submissions")
    assert list(filter(None, found)) == []


@dataclass(frozen=True)
class NotMade:
    """A connection that is never made."""

    name: str
    place: Callable[[ServiceName], AbstractAsyncContextManager[BareService]]
    scheme: str = "http"


NOT_MADE = [
    NotMade("refused", lambda _: refusing()),
    NotMade("never taken", lambda _: ignoring()),
    NotMade("plain where TLS is asked for", lambda s: playing(s, page(400)), "https"),
    NotMade("closed at the TLS greeting", lambda s: playing(s, Script()), "https"),
    NotMade("reset at the TLS greeting", lambda s: playing(s, Script(ends="reset")), "https"),
    NotMade("closed before the TLS greeting", lambda s: playing(s, Script("nothing")), "https"),
]


@pytest.mark.first
@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("case", NOT_MADE, ids=lambda case: case.name)
async def test_only_a_connection_that_was_never_made_is_tried_again_and_twice_at_most(
    service: ServiceName, case: NotMade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "CONNECT_S", 1.0)
    async with open_bench(tmp_path) as bench, case.place(service) as played:
        url = f"{case.scheme}://127.0.0.1:{played.port}"
        task, tried = await bench.submitted(MODEL_OF[service], url, ENDLESS_S)
    assert (outcome(task), tried) == (REJECTED, 3)
    assert "Nothing was sent or charged" in task.error
    assert played.arrived == (3 if case.scheme == "https" else 0)
    report(f"{service}: {case.name}: {tried} tries, none of them a request")


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://", "ftp://127.0.0.1", "x"])
async def test_an_address_that_cannot_be_used_is_rejected(
    service: ServiceName, url: str, tmp_path: Path
) -> None:
    async with open_bench(tmp_path) as bench:
        task, tried = await bench.submitted(MODEL_OF[service], url, ENDLESS_S)
    assert outcome(task) == REJECTED
    assert tried <= 3
