"""Both services on loopback, counting what they accept, and the faults in front of them.

A request's description (or topic) has a marker of its own and its fate, as in "song-7-12 ends", so
that each accepted submission is known by its request. A task with the fate `ends` or `fails` ends
at the first look, one with `open` never ends, and `refused` is refused.
"""

import io
import json
import re
import socket
import struct
import wave
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

Json = dict[str, Any]

MARKER = re.compile(r"song-[a-z0-9]+-[a-z0-9-]+")
LATE_S = 0.4
"""How long, in seconds, a late answer is held back at most."""
LATE_FOR = 6
"""How many other submissions overtake a late answer."""
LONGEST = 2**20
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


BEFORE = frozenset({Fault.DROP_BEFORE, Fault.RESET_BEFORE, Fault.BROKEN_BEFORE, Fault.BUSY})
DROPS = frozenset({Fault.DROP_BEFORE, Fault.DROP_AFTER})
RESETS = frozenset({Fault.RESET_BEFORE, Fault.RESET_AFTER})
REPLACED = {
    Fault.GARBAGE: (200, b"\x00\xff<html>no JSON at all"),
    Fault.BROKEN_BEFORE: (502, b"<html><h1>502 Bad Gateway</h1></html>"),
    Fault.BROKEN_AFTER: (500, b'{"code":500,"message":"internal error","data":null}'),
    Fault.BUSY: (429, b'{"code":429,"message":"too many requests","data":null}'),
}

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
class Song:
    """One accepted submission."""

    task_id: str
    text: str
    makes_lyrics: bool
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def fate(self) -> str:
        return self.text.split()[-1]


@dataclass(frozen=True)
class Incoming:
    """One HTTP request."""

    method: str
    path: str
    body: Json

    @property
    def is_submission(self) -> bool:
        return self.method == "POST" and self.path != "/suno/fetch"

    @property
    def text(self) -> str:
        """The description or topic of a submission."""
        fields = self.body.get("input", self.body)
        return str(fields.get("gpt_description_prompt") or fields.get("prompt") or "")

    @property
    def makes_lyrics(self) -> bool:
        is_udio = self.body.get("task_type") == "generate_lyrics"
        return is_udio or self.path.endswith("/lyrics")


def marker_in(text: str) -> str:
    """The marker in a text, or ""."""
    found = MARKER.search(text)
    return found[0] if found else ""


class FaultService:
    """Records what arrived, what was accepted, and the faults on the way."""

    def __init__(self, faults: Faults = no_faults) -> None:
        self.base_url = ""
        self.accepted: defaultdict[str, list[str]] = defaultdict(list)
        self.songs: dict[str, Song] = {}
        self.submissions: Counter[str] = Counter()
        self.faults: Counter[Fault] = Counter()
        self.faults_of_looks = 0
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
        return self._accept(text, makes_lyrics=False).task_id

    # What arrives ----------------------------------------------------------------------------

    async def handle(self, stream: SocketStream) -> None:
        with suppress(*BROKEN):
            async with stream:
                incoming = await _read(stream)
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
        await _send(stream, answer, fault)

    async def _looked_at(self, stream: SocketStream, incoming: Incoming) -> None:
        if incoming.path.startswith("/audio/"):
            await _send_bytes(stream, 200, AUDIO)
            return
        self._looks += 1
        fault = self._choose("", self._looks)
        self.faults_of_looks += fault is not None
        await _send(stream, self._seen(incoming), fault)

    async def _be_late(self) -> None:
        with anyio.move_on_after(LATE_S):
            await self.until_more(LATE_FOR)

    def _tell(self) -> None:
        news, self._news = self._news, anyio.Event()
        news.set()

    # The contracts -----------------------------------------------------------------------------

    def _taken(self, incoming: Incoming) -> Json:
        is_udio = incoming.path.startswith("/api/")
        if incoming.text.endswith("refused"):
            code: int | str = 400 if is_udio else "invalid_request"
            return {"code": code, "message": "the prompt is refused", "data": None}
        song = self._accept(incoming.text, makes_lyrics=incoming.makes_lyrics)
        if is_udio:
            return {"code": 200, "message": "success", "data": self._udio(song, "pending")}
        return {"code": "success", "message": "", "data": song.task_id}

    def _accept(self, text: str, *, makes_lyrics: bool) -> Song:
        song = Song(f"00000000-0000-4000-8000-{len(self.songs):012}", text, makes_lyrics)
        self.songs[song.task_id] = song
        self.accepted[marker_in(text)].append(song.task_id)
        return song

    def _seen(self, incoming: Incoming) -> Json:
        if incoming.path == "/account/info":
            return {"code": 200, "message": "success", "data": {"equivalent_in_usd": 12.5}}
        if incoming.path == "/suno/fetch":
            known = [self.songs[key] for key in incoming.body["ids"] if key in self.songs]
            return {"code": "success", "message": "", "data": [self._suno(song) for song in known]}
        task_id = incoming.path.rpartition("/")[2]
        if incoming.path.startswith("/suno/"):
            return {"code": "success", "message": "", "data": self._suno(self.songs[task_id])}
        song = self.songs[task_id]
        status = {"ends": "completed", "fails": "failed"}.get(song.fate, "processing")
        return {"code": 200, "message": "success", "data": self._udio(song, status)}

    def _udio(self, song: Song, status: str) -> Json:
        is_done = status == "completed"
        output: object = {"songs": [self._clip(song)] if is_done else None}
        if song.makes_lyrics:
            output = {"lyrics": "Lamps along the quay"} if is_done else None
        return {
            "task_id": song.task_id,
            "model": "music-u",
            "task_type": "generate_lyrics" if song.makes_lyrics else "generate_music",
            "status": status,
            "input": {"gpt_description_prompt": song.text},
            "output": output,
            "meta": {"created_at": song.created_at.isoformat()},
        }

    def _suno(self, song: Song) -> Json:
        status = {"ends": "SUCCESS", "fails": "FAILURE"}.get(song.fate, "IN_PROGRESS")
        data: object = None
        if status == "SUCCESS":
            data = {"text": "Trams at noon"} if song.makes_lyrics else [self._clip(song)]
        return {
            "task_id": song.task_id,
            "action": "LYRICS" if song.makes_lyrics else "MUSIC",
            "status": status,
            "fail_reason": "it came to nothing" if status == "FAILURE" else "",
            "submit_time": int(song.created_at.timestamp()),
            "data": data,
        }

    def _clip(self, song: Song) -> Json:
        url = f"{self.base_url}/audio/{song.task_id}"
        return {"id": f"clip-{song.task_id}", "title": "A clip", "audio_url": url}


# The wire ------------------------------------------------------------------------------------


async def _read(stream: SocketStream) -> Incoming:
    buffered = BufferedByteReceiveStream(stream)
    head = (await buffered.receive_until(b"\r\n\r\n", LONGEST)).decode("latin-1")
    method, path, _ = head.split("\r\n", 1)[0].split(" ")
    length = re.search(r"(?im)^content-length: *(\d+)", head)
    content = await buffered.receive_exactly(int(length[1])) if length else b"{}"
    return Incoming(method, path, json.loads(content))


async def _send(stream: SocketStream, answer: Json, fault: Fault | None) -> None:
    if fault in RESETS:
        linger = struct.pack("ii", 1, 0)
        raw = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - anyio's, not Django's
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    if fault in DROPS or fault in RESETS:
        return
    status, content = REPLACED.get(fault, (200, b"")) if fault else (200, b"")
    content = content or json.dumps(answer).encode()
    await _send_bytes(stream, status, content, cut=fault is Fault.HALF)


async def _send_bytes(
    stream: SocketStream, status: int, content: bytes, *, cut: bool = False
) -> None:
    head = (
        f"HTTP/1.1 {status} Something\r\nContent-Length: {len(content)}\r\n"
        "Content-Type: application/json\r\nConnection: close\r\n\r\n"
    )
    await stream.send(head.encode() + content[: len(content) // 2 if cut else None])


@asynccontextmanager
async def serving(service: FaultService) -> AsyncIterator[FaultService]:
    """Listen on a free port of this machine while the service is used."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", backlog=512)
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's, not Django's
    service.base_url = f"http://127.0.0.1:{port}"
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, service.handle)
        yield service
        group.cancel_scope.cancel()
