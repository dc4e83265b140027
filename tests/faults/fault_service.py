"""All services on loopback, counting what they accept, and the faults in front of them.

A request's description (or topic) has a marker of its own and its fate, as in "song-7-12 ends", so
that each accepted submission is known by its request. A task with the fate `ends` or `fails` ends
at the first look, one with `later` when the service says so, one with `open` never, and `refused`
is refused. What was accepted is charged, if it costs anything; only gpt.ge gives it back, for tasks
that fail and say so. What each service says is in `apis`.
Keys that are equal up to a "+" are of one account, and nobody sees a task of another account.

With `is_odd`, songs are told in the forms of the whole family (`dialects`), every second one that
ends has its link only at a later look, and every third link is refused at first.
"""

import json
import re
import socket
import struct
import zlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.faults import dialects, refusals
from tests.faults.apis import (
    ACCOUNT,
    APIS,
    AUDIO,
    FUNDED_USD,
    TASKS,
    UPLOAD,
    Api,
    Incoming,
    Song,
    api_of,
)
from tests.faults.canaries import PIAPI_KEY

Json = dict[str, Any]

MARKER = re.compile(r"song-[a-z0-9]+-[a-z0-9-]+")
WISH = re.compile(rf"{MARKER.pattern}.*\b(?:ends|fails|later|open|refused)\b", re.DOTALL)
"""What is asked for: a marker, and the last of the fates behind it."""
AUDIO_PATHS = ("/audio/", "/v1/audio")
ID_LENGTH = 36
LATE_S = 0.4
"""How long, in seconds, a late answer is held back at most."""
LATE_FOR = 6
"""How many other submissions overtake a late answer."""
LONGEST = 2**20
JSON_HEAD = {"Content-Type": "application/json"}
BROKEN = (
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,
    anyio.IncompleteRead,
    OSError,
)


class Fault(StrEnum):
    """What may happen to one request."""

    DROP_BEFORE = "dropped before accepting"
    DROP_AFTER = "dropped after accepting"
    RESET_BEFORE = "reset before accepting"
    RESET_AFTER = "reset after accepting"
    LATE = "answered late"
    HALF = "cut in half"
    GARBAGE = "garbage"
    BROKEN_BEFORE = "5xx before accepting"
    BROKEN_AFTER = "5xx after accepting"
    BUSY = "429"
    ECHO_BEFORE = "5xx with the prompt before accepting"
    ECHO_AFTER = "5xx with the prompt after accepting"
    REFUSED = "refused before accepting"
    DOUBT_BEFORE = "a doubtful no before accepting"
    DOUBT_AFTER = "a doubtful no after accepting"


BEFORE = frozenset(
    {Fault.DROP_BEFORE, Fault.RESET_BEFORE, Fault.BROKEN_BEFORE, Fault.BUSY, Fault.ECHO_BEFORE}
    | {Fault.REFUSED, Fault.DOUBT_BEFORE}
)
OF_SUBMISSIONS = frozenset({Fault.BUSY, Fault.REFUSED})
"""What only a submission meets."""
DOUBTFUL = frozenset({Fault.DOUBT_BEFORE, Fault.DOUBT_AFTER})
ECHOES = frozenset({Fault.ECHO_BEFORE, Fault.ECHO_AFTER})
DROPS = frozenset({Fault.DROP_BEFORE, Fault.DROP_AFTER})
RESETS = frozenset({Fault.RESET_BEFORE, Fault.RESET_AFTER})
REPLACED = {
    Fault.GARBAGE: (200, b"\x00\xff<html>no JSON at all"),
    Fault.BROKEN_BEFORE: (502, b"<html><h1>502 Bad Gateway</h1></html>"),
    Fault.BROKEN_AFTER: (500, b'{"code":500,"message":"internal error","data":null}'),
    Fault.BUSY: (429, b'{"code":429,"message":"too many requests","data":null}'),
}

BLUES = (
    "insufficient credits blues",
    "the quota is not enough",
    "service stopped at midnight",
    "no available channel tonight",
    "active task count 3 has reached the plan limit",
    "this model has been discontinued, switch to v6",
    "我的模型已下线",
    "account credit not enough",
    "just a moment... 该令牌额度已用尽",
)
"""Descriptions that a service could refuse with, if they were its own words."""

NO_PLAN = {"code": 403, "message": "the plan has no uploads", "data": None}
Faults = Callable[[str, int], Fault | None]
"""Returns the fault for a marker ("" for a look, `UPLOAD` for an upload) and the number of the
submission with it."""


def _api_named(name: str) -> Api:
    return next(api for api in APIS if api.name == name)


def no_faults(marker: str, number: int) -> Fault | None:
    return None


@dataclass(frozen=True)
class Refusal:
    """What a host answers in the place of a song: nothing at all, if it `is_dropped`."""

    status: int = 200
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_cut: bool = False
    is_dropped: bool = False


REFUSALS = (
    Refusal(403),
    Refusal(404, b"<html>no such object</html>"),
    Refusal(503, headers={"Retry-After": "1"}),
    Refusal(202),
    Refusal(200),
    Refusal(200, b'{"detail": "processing"}', JSON_HEAD),
    Refusal(200, AUDIO, is_cut=True),
    Refusal(is_dropped=True),
)


def marker_in(text: str) -> str:
    """The marker in a text, or ""."""
    found = MARKER.search(text)
    return found[0] if found else ""


class FaultService:
    """Records what arrived, what was accepted, and the faults on the way."""

    def __init__(
        self, faults: Faults = no_faults, *, is_odd: bool = False, refusals: int = 0
    ) -> None:
        self.base_url = ""
        self.is_odd = is_odd
        self.refusals = refusals
        """How often every link is refused before it works."""
        self.accepted: defaultdict[str, list[str]] = defaultdict(list)
        self.songs: dict[str, Song] = {}
        self.submissions: Counter[str] = Counter()
        self.sent_to: Counter[tuple[str, str]] = Counter()
        """How many submissions came, by service and its model."""
        self.asked_with: set[str] = set()
        """The keys that came with requests."""
        self.faults: Counter[Fault] = Counter()
        self.faults_of_looks = 0
        self.charged_usd: defaultdict[str, float] = defaultdict(float)
        self.continued: dict[str, str] = {}
        """The clip that each extension continues, by its marker."""
        self.clock_ahead = timedelta()
        self.is_later = False
        """Whether songs with the fate `later` are finished."""
        self.balance_looks = 0
        self.history_looks = 0
        self.uploads = 0
        self.faults_of_uploads = 0
        self.ends_shown: Counter[str] = Counter()
        """How often the end of each song was shown."""
        self.fetched: Counter[str] = Counter()
        """How often each link was asked for."""
        self.refused_links = 0
        self.late_links = 0
        self.held: list[anyio.Event] = []
        """What the next looks at a balance wait for, one each."""
        self._choose = faults
        self._looks = 0
        self._news = anyio.Event()

    # What tests ask ------------------------------------------------------------------------

    @property
    def accepted_count(self) -> int:
        return sum(map(len, self.accepted.values()))

    async def until(self, is_true: Callable[[], bool]) -> None:
        """Return when something that arrived or was accepted makes this true."""
        while not is_true():
            await self._news.wait()

    async def until_more(self, submissions: int) -> None:
        """Return when so many more submissions have arrived."""
        due = self.submissions.total() + submissions
        await self.until(lambda: self.submissions.total() >= due)

    def make_elsewhere(self, text: str) -> str:
        """Accept a PiAPI song that was requested elsewhere; returns its id."""
        body = {"model": "music-u", "task_type": "generate_music", "input": {"prompt": text}}
        return self._accept(Incoming("POST", TASKS, body, PIAPI_KEY, text=text)).task_id

    def paid(self, marker: str) -> list[str]:
        """Return the accepted songs of a marker that cost something."""
        return [key for key in self.accepted.get(marker, ()) if self.songs[key].usd]

    def gives_back(self, task_id: str) -> bool:
        """Tell whether this task is charged only until it fails."""
        song = self.songs[task_id]
        return _api_named(song.service).gives_back(self, song)

    def calm_down(self) -> None:
        """Let no more faults happen; links are as odd as before."""
        self._choose = no_faults

    # What arrives ----------------------------------------------------------------------------

    async def handle(self, stream: SocketStream) -> None:
        with suppress(*BROKEN):
            async with stream:
                incoming = await _read(stream)
                self.asked_with |= {incoming.key} - {""}
                if incoming.is_submission:
                    await self._submitted(stream, incoming)
                else:
                    await self._looked_at(stream, incoming)

    async def _submitted(self, stream: SocketStream, incoming: Incoming) -> None:
        marker = marker_in(incoming.text)
        assert marker, incoming
        self.submissions[marker] += 1
        self.sent_to[api_of(incoming.path).name, incoming.model] += 1
        fault = self._choose(marker, self.submissions[marker])
        if fault is not None:
            self.faults[fault] += 1
        self._tell()
        answer: Json = {}
        if fault not in BEFORE:
            answer = self._taken(incoming)
            self._tell()
        if fault is Fault.LATE:
            await self._be_late()
        if fault is Fault.REFUSED:
            kinds = api_of(incoming.path).refusals
            await send_bytes(stream, *refusals.chosen(kinds, incoming.text))
            return
        await _send(stream, answer, fault, incoming)

    async def _looked_at(self, stream: SocketStream, incoming: Incoming) -> None:
        if incoming.path.startswith(AUDIO_PATHS):
            await self._send_audio(stream, f"{incoming.path}?{incoming.query}".rstrip("?"))
            return
        if incoming.path == ACCOUNT:
            await self._be_held()
        if incoming.path == UPLOAD:
            await self._uploaded(stream, incoming)
            return
        self._looks += 1
        fault = self._choose("", self._looks)
        self.faults_of_looks += fault is not None
        await _send(stream, api_of(incoming.path).seen(self, incoming), fault, incoming)

    async def _uploaded(self, stream: SocketStream, incoming: Incoming) -> None:
        self.uploads += 1
        fault = self._choose(UPLOAD, self.uploads)
        self.faults_of_uploads += fault is not None
        if fault is Fault.REFUSED:
            await send_bytes(stream, 403, json.dumps(NO_PLAN).encode())
            return
        await _send(stream, api_of(incoming.path).seen(self, incoming), fault, incoming)

    async def _send_audio(self, stream: SocketStream, path: str) -> None:
        before = self.fetched[path]
        self.fetched[path] += 1
        self._tell()
        song = self.songs[path[-ID_LENGTH:]]
        if before >= max(self.refusals, int(self.is_odd and song.number % 3 == 0)):
            await send_bytes(stream, 200, AUDIO)
            return
        self.refused_links += 1
        refusal = REFUSALS[(song.number + before) % len(REFUSALS)]
        if not refusal.is_dropped:
            await send_bytes(
                stream, refusal.status, refusal.content, refusal.headers, cut=refusal.is_cut
            )

    async def _be_late(self) -> None:
        with anyio.move_on_after(LATE_S):
            await self.until_more(LATE_FOR)

    async def _be_held(self) -> None:
        self.balance_looks += 1
        self._tell()
        if self.held:
            await self.held.pop(0).wait()

    def _tell(self) -> None:
        news, self._news = self._news, anyio.Event()
        news.set()

    # The contracts -----------------------------------------------------------------------------

    def _taken(self, incoming: Incoming) -> Json:
        api = api_of(incoming.path)
        refusal = api.refusal(incoming)
        if refusal is not None:
            return refusal
        self.continued[marker_in(incoming.text)] = incoming.continued
        return api.accepted(self, self._accept(incoming))

    def _accept(self, incoming: Incoming) -> Song:
        api = api_of(incoming.path)
        song = Song(
            task_id=f"00000000-0000-4000-8000-{len(self.songs):012}",
            text=incoming.text,
            fate=incoming.text.split()[-1],
            service=api.name,
            model=incoming.model,
            task_type=str(incoming.body.get("task_type", "")),
            makes_lyrics=incoming.makes_lyrics,
            account=incoming.account,
            created_at=datetime.now(UTC) + self.clock_ahead,
            number=len(self.songs),
            asked=incoming.asked,
            usd=api.usd(incoming),
        )
        self.charged_usd[song.account] += song.usd
        self.songs[song.task_id] = song
        self.accepted[marker_in(song.text)].append(song.task_id)
        return song

    # What the services know of each other's work ------------------------------------------------

    def left_usd(self, account: str) -> float:
        return FUNDED_USD - self.charged_usd[account]

    def find(self, task_id: str, account: str) -> Song | None:
        song = self.songs.get(task_id)
        return song if song is not None and song.account == account else None

    def fate(self, song: Song) -> str:
        return "ends" if song.fate == "later" and self.is_later else song.fate

    def form(self, forms: Sequence[Any], song: Song) -> Any:  # noqa: ANN401 - as `chosen`
        return dialects.chosen(forms, song.number if self.is_odd else dialects.PLAIN)

    def link(self, song: Song, path: str) -> str:
        self.ends_shown[song.task_id] += 1
        if self.is_odd and song.number % 2 and self.ends_shown[song.task_id] == 1:
            self.late_links += 1
            return ""
        return f"{self.base_url}/{path}/{song.task_id}"

    def clip(self, song: Song) -> Json:
        url = self.link(song, "audio")
        clip = {"id": f"clip-{song.task_id}", "title": "A clip", "audio_url": url}
        return clip if url else clip | {"status": "streaming"}


Service = TypeVar("Service", bound=FaultService)

# The wire ------------------------------------------------------------------------------------


async def _read(stream: SocketStream) -> Incoming:
    buffered = BufferedByteReceiveStream(stream)
    head = (await buffered.receive_until(b"\r\n\r\n", LONGEST)).decode("latin-1")
    method, target, _ = head.split("\r\n", 1)[0].split(" ")
    path, _, query = target.partition("?")
    length = re.search(r"(?im)^content-length: *(\d+)", head)
    content = await buffered.receive_exactly(int(length[1])) if length else b"{}"
    key = re.search(r"(?im)^(?:x-api-key|authorization): *(?:bearer )?(\S+)", head)
    body = _body(content)
    return Incoming(method, path, body, key[1] if key else "", query, _text_of_song(body))


def _body(content: bytes) -> Json:
    """Return the fields of a request, which is JSON or a form with a file."""
    if content.startswith(b"--"):
        fields = re.findall(rb'name="(\w+)"\r\n\r\n([^\r]*)\r\n', content)
        return {name.decode(): value.decode() for name, value in fields}
    body: Json = json.loads(content)
    return body


def _text_of_song(value: object) -> str:
    """Return the text with a song's marker, up to its fate, wherever it is; "" if there is none."""
    if isinstance(value, str):
        found = WISH.search(value)
        return found[0] if found else value if marker_in(value) else ""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next(filter(None, map(_text_of_song, items)), "")


async def _send(
    stream: SocketStream, answer: Json, fault: Fault | None, incoming: Incoming
) -> None:
    if fault in RESETS:
        linger = struct.pack("ii", 1, 0)
        raw = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - anyio's, not Django's
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    if fault in DROPS or fault in RESETS:
        return
    status, content = (200, b"")
    if fault in ECHOES:
        status, content = _echo(incoming.text)
    elif fault in DOUBTFUL:
        status, content = refusals.chosen(api_of(incoming.path).doubts, incoming.text)
    elif fault in REPLACED:
        status, content = REPLACED[fault]
    content = content or json.dumps(answer).encode()
    await send_bytes(stream, status, content, cut=fault is Fault.HALF)


def _echo(text: str) -> tuple[int, bytes]:
    """An error that repeats what was asked for, as the service, a web page or plain words."""
    told = f"failed while making: {text}"
    forms = (
        json.dumps({"code": 500, "message": told, "data": None}),
        json.dumps({"code": "do_request_failed", "message": told, "data": None}),
        f"<html><h1>Bad gateway</h1>{told}</html>",
        told,
    )
    chosen = zlib.crc32(text.encode())
    return (500, 502, 504)[chosen % 3], forms[chosen // 3 % len(forms)].encode()


async def send_bytes(
    stream: SocketStream,
    status: int,
    content: bytes,
    headers: Mapping[str, str] = JSON_HEAD,
    *,
    cut: bool = False,
) -> None:
    """Answer, or with `cut` send half of the answer."""
    told = {"Content-Length": str(len(content)), "Connection": "close", **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    lines = f"HTTP/1.1 {status} Something\r\n{head}\r\n"
    await stream.send(lines.encode() + content[: len(content) // 2 if cut else None])


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[Service]:
    """Listen on a free port of this machine while the service is used."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", backlog=512)
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's, not Django's
    service.base_url = f"http://127.0.0.1:{port}"
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, service.handle)
        yield service
        group.cancel_scope.cancel()
