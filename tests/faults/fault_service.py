"""Both services on loopback, counting what they accept, and the faults in front of them.

A request's description (or topic) has a marker of its own and its fate, as in "song-7-12 ends", so
that each accepted submission is known by its request. A task with the fate `ends` or `fails` ends
at the first look, one with `later` when the service says so, one with `open` never, and `refused`
is refused. What was accepted is charged; only gpt.ge gives it back, for tasks that fail and say so.
Keys that are equal up to a "+" are of one account, and nobody sees a task of another account.

With `is_odd`, songs are told in the forms of the whole family (`dialects`), every second one that
ends has its link only at a later look, and every third link is refused at first.
"""

import io
import json
import re
import socket
import struct
import wave
import zlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.faults import dialects, refusals
from tests.faults.canaries import PIAPI_KEY

Json = dict[str, Any]

TASKS = "/api/v1/task"
HISTORY = "/api/open/tasks/histories"
LARGEST_PAGE = 100
REFUND = "refunded"
"""A word of the reasons of tasks whose price gpt.ge gives back."""
MARKER = re.compile(r"song-[a-z0-9]+-[a-z0-9-]+")
LATE_S = 0.4
"""How long, in seconds, a late answer is held back at most."""
LATE_FOR = 6
"""How many other submissions overtake a late answer."""
LONGEST = 2**20
JSON_HEAD = {"Content-Type": "application/json"}
SONG_USD = 0.05
POINTS_PER_USD = 10_000_000
FUNDED_USD = 1000.0
"""What every account has at the beginning."""
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

Faults = Callable[[str, int], Fault | None]
"""Returns the fault for a marker ("" for a look) and the number of the submission with it."""


def no_faults(marker: str, number: int) -> Fault | None:
    return None


def tiny_audio() -> bytes:
    """A tenth of a second of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(1600))
    return file.getvalue()


AUDIO = tiny_audio()


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


@dataclass(frozen=True)
class Song:
    """One accepted submission."""

    task_id: str
    text: str
    makes_lyrics: bool
    is_udio: bool
    account: str
    created_at: datetime
    number: int
    asked: Json
    """What was sent, as PiAPI repeats it in a task's input."""

    @property
    def fate(self) -> str:
        return self.text.split()[-1]


@dataclass(frozen=True)
class Incoming:
    """One HTTP request; `query` is what stands behind the path."""

    method: str
    path: str
    body: Json
    key: str = ""
    query: str = ""

    @property
    def account(self) -> str:
        return self.key.partition("+")[0]

    @property
    def is_submission(self) -> bool:
        return self.method == "POST" and self.path != "/suno/fetch"

    @property
    def text(self) -> str:
        """The description or topic of a submission, which an extension at gpt.ge has as tags."""
        fields = self.body.get("input", self.body)
        names = ("gpt_description_prompt", "prompt", "tags")
        return next((str(fields[name]) for name in names if fields.get(name)), "")

    @property
    def continued(self) -> str:
        """The clip that an extension continues, or ""."""
        fields = self.body.get("input", self.body)
        return str(fields.get("continue_song_id") or fields.get("continue_clip_id") or "")

    @property
    def is_udio(self) -> bool:
        return self.path.startswith("/api/")

    @property
    def makes_lyrics(self) -> bool:
        return self.body.get("task_type") == "generate_lyrics" or self.path.endswith("/lyrics")


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
        return self._accept(Incoming("POST", TASKS, {"prompt": text}, PIAPI_KEY)).task_id

    def gives_back(self, task_id: str) -> bool:
        """Tell whether this task is charged only until it fails."""
        song = self.songs[task_id]
        return song.fate == "fails" and not song.is_udio and REFUND in self._reason(song)

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
            kinds = refusals.REFUSALS_OF_PIAPI if incoming.is_udio else refusals.REFUSALS
            await send_bytes(stream, *refusals.chosen(kinds, incoming.text))
            return
        await _send(stream, answer, fault, incoming.text)

    async def _looked_at(self, stream: SocketStream, incoming: Incoming) -> None:
        if incoming.path.startswith("/audio/"):
            await self._send_audio(stream, incoming.path)
            return
        if incoming.path == "/account/info":
            await self._be_held()
        self._looks += 1
        fault = self._choose("", self._looks)
        self.faults_of_looks += fault is not None
        await _send(stream, self._seen(incoming), fault)

    async def _send_audio(self, stream: SocketStream, path: str) -> None:
        before = self.fetched[path]
        self.fetched[path] += 1
        self._tell()
        song = self.songs[path.rpartition("/")[2]]
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
        if incoming.text.endswith("refused"):
            code: int | str = 400 if incoming.is_udio else "invalid_request"
            return {"code": code, "message": "the prompt is refused", "data": None}
        self.continued[marker_in(incoming.text)] = incoming.continued
        song = self._accept(incoming)
        if incoming.is_udio:
            return {"code": 200, "message": "success", "data": self._udio(song, "pending")}
        accepted: Json = self._form(dialects.ACCEPTED, song)(song.task_id)
        return accepted

    def _form(self, forms: Sequence[Any], song: Song) -> Any:  # noqa: ANN401 - as `chosen`
        return dialects.chosen(forms, song.number if self.is_odd else dialects.PLAIN)

    def _accept(self, incoming: Incoming) -> Song:
        song = Song(
            task_id=f"00000000-0000-4000-8000-{len(self.songs):012}",
            text=incoming.text,
            makes_lyrics=incoming.makes_lyrics,
            is_udio=incoming.is_udio,
            account=incoming.account,
            created_at=datetime.now(UTC) + self.clock_ahead,
            number=len(self.songs),
            asked=incoming.body.get("input", incoming.body),
        )
        self.charged_usd[song.account] += SONG_USD
        self.songs[song.task_id] = song
        self.accepted[marker_in(song.text)].append(song.task_id)
        return song

    def _seen(self, incoming: Incoming) -> Json:
        if incoming.path.startswith("/suno/"):
            return self._seen_at_gptge(incoming)
        if incoming.path == "/account/info":
            left_usd = FUNDED_USD - self.charged_usd[incoming.account]
            return {"code": 200, "message": "success", "data": {"equivalent_in_usd": left_usd}}
        if incoming.path == HISTORY:
            return self._history(incoming)
        song = self._song(incoming.path.rpartition("/")[2], incoming.account)
        if song is None:
            return {"code": 404, "message": "task not found", "data": None}
        status = {"ends": "completed", "fails": "failed"}.get(self._fate(song), "processing")
        return {"code": 200, "message": "success", "data": self._udio(song, status)}

    def _seen_at_gptge(self, incoming: Incoming) -> Json:
        if incoming.path == "/suno/fetch":
            seen = [self._song(key, incoming.account) for key in incoming.body["ids"]]
            known = [self._suno(song) for song in seen if song is not None]
            return {"code": "success", "message": "", "data": known}
        song = self._song(incoming.path.rpartition("/")[2], incoming.account)
        if song is None:
            return {"code": "task_not_exist", "message": "task_not_exist", "data": None}
        return {"code": "success", "message": "", "data": self._suno(song)}

    def _history(self, incoming: Incoming) -> Json:
        """List the songs of an account that were made in the time that is asked for."""
        self.history_looks += 1
        asked = {name: int(text) for name, text in parse_qsl(incoming.query) if text.isdigit()}
        first, last = asked.get("start_time", 0), asked.get("end_time", 2**40)
        made = [
            song
            for song in reversed(self.songs.values())
            if song.is_udio
            and song.account == incoming.account
            and first <= song.created_at.timestamp() <= last
        ]
        page, size = asked.get("page", 1), min(asked.get("page_size", 10), LARGEST_PAGE)
        told = [self._past(song) for song in made[(page - 1) * size : page * size]]
        data = {"data": told, "page": page, "size": size, "total": len(made)}
        return {"code": 200, "message": "success", "data": data}

    def _past(self, song: Song) -> Json:
        return {
            "id": song.number,
            "action": "generate_lyrics" if song.makes_lyrics else "generate_music",
            "created_at": song.created_at.isoformat(),
            "detail": {"model": "music-u", "task_id": song.task_id, "workflow_type": ""},
            "status": {"ends": "completed", "fails": "failed"}.get(self._fate(song), "processing"),
            "task_id": song.task_id,
            "task_model": "music-u",
        }

    def _song(self, task_id: str, account: str) -> Song | None:
        song = self.songs.get(task_id)
        return song if song is not None and song.account == account else None

    def _fate(self, song: Song) -> str:
        return "ends" if song.fate == "later" and self.is_later else song.fate

    def _udio(self, song: Song, status: str) -> Json:
        is_done, has_ended = status == "completed", status in {"completed", "failed"}
        points = round(SONG_USD * POINTS_PER_USD)
        output: object = {"songs": [self._clip(song)] if is_done else None}
        if song.makes_lyrics:
            output = {"lyrics": "Lamps along the quay"} if is_done else None
        return {
            "task_id": song.task_id,
            "model": "music-u",
            "task_type": "generate_lyrics" if song.makes_lyrics else "generate_music",
            "status": status,
            "input": song.asked,
            "output": self._form(dialects.OUTPUTS, song)(output),
            "meta": {
                "created_at": song.created_at.isoformat(),
                "usage": {"type": "point", "frozen": points, "consume": points * has_ended},
            },
        }

    def _suno(self, song: Song) -> Json:
        fate = self._fate(song)
        words = {"ends": dialects.SUCCEEDED, "fails": dialects.FAILED}.get(fate, dialects.WORKS)
        data: object = self._form(dialects.RUNNING, song)
        if fate == "ends":
            made = {"text": "Trams at noon"}
            data = (
                made if song.makes_lyrics else self._form(dialects.CLIPS, song)([self._clip(song)])
            )
        return {
            "task_id": song.task_id,
            "action": "LYRICS" if song.makes_lyrics else "MUSIC",
            "status": self._form(words, song),
            "fail_reason": self._reason(song) if fate == "fails" else "",
            "submit_time": int(song.created_at.timestamp()),
            "data": data,
        }

    def _reason(self, song: Song) -> str:
        return str(self._form((f"it came to nothing, {REFUND}", "it came to nothing"), song))

    def _clip(self, song: Song) -> Json:
        """Return the one clip of a song; its link may come with a later look alone."""
        self.ends_shown[song.task_id] += 1
        url = f"{self.base_url}/audio/{song.task_id}"
        if self.is_odd and song.number % 2 and self.ends_shown[song.task_id] == 1:
            self.late_links += 1
            url = ""
        clip = {"id": f"clip-{song.task_id}", "title": "A clip", "audio_url": url}
        return clip if not self.is_odd or url else clip | {"status": "streaming"}


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
    return Incoming(method, path, json.loads(content), key[1] if key else "", query)


async def _send(stream: SocketStream, answer: Json, fault: Fault | None, text: str = "") -> None:
    if fault in RESETS:
        linger = struct.pack("ii", 1, 0)
        raw = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - anyio's, not Django's
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    if fault in DROPS or fault in RESETS:
        return
    status, content = (200, b"")
    if fault in ECHOES:
        status, content = _echo(text)
    elif fault in DOUBTFUL:
        status, content = refusals.chosen(refusals.DOUBTS, text)
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
