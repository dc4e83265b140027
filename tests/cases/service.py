"""A stand-in for both services and for their media, which answers as the script of a case says."""

import gzip
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from song_mcp.songs import ServiceName
from tests.cases.audio import content_of
from tests.cases.case import Answer, Case, Script
from tests.faults.fault_service import BROKEN

Json = Any
Fields = dict[str, Any]

LONGEST = 2**22
SONG = re.compile(r"/media/\d+\.mp3")
TYPES = {".mp3": "audio/mpeg", ".wav": "audio/wav", ".mp4": "video/mp4", ".flac": "audio/flac"}
OTHER_PATHS: Mapping[str, Json] = {
    "/account/info": {"account_name": "demo", "equivalent_in_usd": 10.0},
    "/api/open/tasks/histories": {"data": [], "page": 1, "size": 100, "total": 0},
}


@dataclass(frozen=True)
class Asked:
    """One HTTP request; `path` is without its query, the names of headers in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Json

    @property
    def service(self) -> ServiceName:
        return "gptge" if self.path.startswith("/suno/") else "piapi"

    @property
    def is_paid(self) -> bool:
        return self.method == "POST" and self.path != "/suno/fetch"

    @property
    def is_look(self) -> bool:
        return self.path.startswith(("/suno/fetch", "/api/v1/task/"))


class CaseService:
    """Plays one script, and counts what it was asked."""

    def __init__(self, case: Case) -> None:
        self.base_url = ""
        self.posts = 0
        self.looks = 0
        self._script = case.script
        self._service = case.service
        self._task_id = case.task_id
        self._turns: Counter[str] = Counter()

    def follow(self, script: Script) -> None:
        """Go on with another script; what it leaves out is answered as before."""
        old = self._script
        for name in ("submit", "looks"):
            if getattr(script, name):
                self._turns.pop(name, None)
        for path in script.paths:
            self._turns.pop(path, None)
        self._script = Script(
            script.submit or old.submit, script.looks or old.looks, {**old.paths, **script.paths}
        )

    async def handle(self, stream: SocketStream) -> None:
        """Read one request and answer it."""
        with suppress(*BROKEN):
            async with stream:
                asked = await _read(stream)
                self.posts += asked.is_paid
                self.looks += asked.is_look
                answer = self._answer(asked)
                await anyio.sleep(answer.delay)
                headers = {key: self._filled(value, asked) for key, value in answer.headers.items()}
                answer = replace(answer, headers=headers)
                await _send(stream, answer, asked, self._content(answer, asked))

    def bodies(self) -> Iterator[bytes]:
        """Yield the body of every answer of the script to paid requests and looks."""
        look = "/suno/fetch/" if self._service == "gptge" else "/api/v1/task/"
        asked = Asked("GET", look + self._task_id, {}, {})
        for answer in [*self._script.submit, *self._script.looks]:
            yield self._content(answer, asked)

    # Which answer ------------------------------------------------------------------------------

    def _answer(self, asked: Asked) -> Answer:
        if asked.is_paid:
            return self._next("submit", self._script.submit) or self._acceptance(asked)
        if asked.is_look:
            return self._next("looks", self._script.looks) or Answer(task={})
        found = self._next(asked.path, self._script.paths.get(asked.path, ()))
        return found or _ordinary(asked.path)

    def _next(self, name: str, answers: Sequence[Answer]) -> Answer | None:
        if not answers:
            return None
        self._turns[name] += 1
        return answers[min(self._turns[name], len(answers)) - 1]

    def _acceptance(self, asked: Asked) -> Answer:
        """Accept with the id of the case; each further task has the next one."""
        number = int(self._task_id[-1], 16) + self.posts - 1
        task_id = f"{self._task_id[:-1]}{number:x}"
        if asked.service == "gptge":
            return Answer(body=json.dumps({"code": "success", "message": "", "data": task_id}))
        made = {"status": "pending", "input": asked.body.get("input"), "output": {}}
        return Answer(body=_piapi(ordinary_task("piapi", task_id) | made))

    # What is in it -----------------------------------------------------------------------------

    def _content(self, answer: Answer, asked: Asked) -> bytes:
        if answer.file:
            return content_of(answer.file)
        if isinstance(answer.body, bytes):
            return answer.body
        text = answer.body if answer.body is not None else self._finished(answer, asked)
        return self._filled(text, asked).encode()

    def _finished(self, answer: Answer, asked: Asked) -> str:
        clips = [{}, {}] if answer.clips is None else answer.clips
        task = ordinary_task(asked.service, "@TASK@", clips)
        task |= answer.task or {}
        if asked.service == "piapi":
            return _piapi(task)
        data = [task] if asked.path == "/suno/fetch" else task
        return json.dumps({"code": "success", "message": "", "data": data}, ensure_ascii=False)

    def _filled(self, text: str, asked: Asked) -> str:
        """Put in what only this run knows, in the place of the words in @@."""
        task_id = self._looked_at(asked)
        text = re.sub(r"@CLIP(\d)@", partial(_clip_id, asked.service), text)
        text = re.sub(r"@LINK(\d)@", r"@BASE@/media/\1.mp3", text)
        host = self.base_url.removeprefix("http://")
        known = {"BASE": self.base_url, "HOST": host, "TASK": task_id, "NOW": f"{time.time():.0f}"}
        return re.sub(r"@([A-Z]+)@", lambda found: known.get(found[1], found[0]), text)

    def _looked_at(self, asked: Asked) -> str:
        if asked.path == "/suno/fetch":
            return str(next(iter(asked.body.get("ids", ())), self._task_id))
        return asked.path.rpartition("/")[2] if asked.is_look else self._task_id


# Ordinary answers ------------------------------------------------------------------------------


def _ordinary(path: str) -> Answer:
    """Return the answer at a path of which the case says nothing."""
    if SONG.fullmatch(path):
        return Answer(file="good.mp3")
    if path in OTHER_PATHS:
        return Answer(body=_piapi(OTHER_PATHS[path]))
    return Answer(status=404, body='{"code":404,"message":"not found","data":null}')


def ordinary_task(service: ServiceName, task_id: str, clips: Sequence[Json] = ()) -> Fields:
    """Return a finished task whose clips have these fields in the place of their own."""
    numbered, now = enumerate(clips, 1), int(time.time())
    if service == "gptge":
        return {
            "task_id": task_id,
            "action": "MUSIC",
            "status": "SUCCESS",
            "fail_reason": "",
            "submit_time": now,
            "start_time": now,
            "finish_time": now,
            "progress": "100%",
            "data": [_suno_clip(number) | clip for number, clip in numbered],
        }
    return {
        "task_id": task_id,
        "model": "music-u",
        "task_type": "generate_music",
        "status": "completed",
        "input": {"gpt_description_prompt": "x", "lyrics_type": "generate"},
        "output": {
            "generation_id": "",
            "songs": [_udio_song(number) | clip for number, clip in numbered],
        },
        "meta": {"usage": {"type": "point", "frozen": 500_000, "consume": 500_000}},
        "detail": None,
        "logs": [],
        "error": {"code": 0, "raw_message": "", "message": "", "detail": None},
    }


def _suno_clip(number: int) -> Fields:
    about = {"tags": "folk", "prompt": "la", "duration": 2.0}
    return {
        "id": f"@CLIP{number}@",
        "title": f"Lamp {number}",
        "status": "complete",
        "audio_url": f"@LINK{number}@",
        "image_url": "",
        "metadata": about | {"error_type": None, "error_message": None},
        "model_name": "chirp-crow",
        "major_model_version": "v5",
    }


def _udio_song(number: int) -> Fields:
    return {
        "id": f"@CLIP{number}@",
        "title": f"Quay {number}",
        "image_path": "",
        "lyrics": "la",
        "prompt": "folk",
        "song_path": f"@LINK{number}@",
        "duration": 2.0,
        "finished": True,
        "tags": ["folk"],
        "error_type": None,
        "error_code": None,
        "error_detail": None,
    }


def _clip_id(service: ServiceName, found: re.Match[str]) -> str:
    return f"{('b' if service == 'gptge' else 'c') * 8}-0000-4000-8000-00000000000{found[1]}"


def _piapi(data: Json) -> str:
    return json.dumps({"code": 200, "data": data, "message": "success"}, ensure_ascii=False)


# The wire ----------------------------------------------------------------------------------------


async def _read(stream: SocketStream) -> Asked:
    buffered = BufferedByteReceiveStream(stream)
    head = (await buffered.receive_until(b"\r\n\r\n", LONGEST)).decode("latin-1")
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    content = await buffered.receive_exactly(int(headers.get("content-length", "0")))
    body = json.loads(content) if content else {}
    return Asked(method, target.partition("?")[0], headers, body)


async def _send(stream: SocketStream, answer: Answer, asked: Asked, content: bytes) -> None:
    if answer.how == "drop":
        return
    if answer.needs_ua not in asked.headers.get("user-agent", ""):
        answer, content = Answer(status=403), b"error code: 1020"
    elif answer.needs_accept not in asked.headers.get("accept", ""):
        answer, content = Answer(status=406), b""
    headers = {"content-type": _content_type(answer)}
    headers |= {name.lower(): value for name, value in answer.headers.items()}
    status, more, content = _framed(answer, content, is_part="range" in asked.headers)
    lines = [f"{name}: {value}" for name, value in (headers | more).items()]
    head = "\r\n".join([f"HTTP/1.1 {status} X", *lines, "connection: close", "", ""])
    await stream.send(head.encode() + content)


def _content_type(answer: Answer) -> str:
    if not answer.file:
        return "application/json"
    return TYPES.get("." + answer.file.rpartition(".")[2], "application/octet-stream")


def _framed(answer: Answer, content: bytes, *, is_part: bool) -> tuple[int, dict[str, str], bytes]:
    """Return the status, the headers about the length, and what follows them."""
    status, size = answer.status, len(content)
    if answer.how == "rangeonly" and not is_part:
        return 416, {"content-range": f"bytes */{size}", "content-length": "0"}, b""
    more: dict[str, str] = {}
    if answer.how in {"206", "rangeonly"}:
        status, more = 206, {"content-range": f"bytes 0-{size - 1}/{size}"}
    elif answer.how == "gzip":
        content, more = gzip.compress(content), {"content-encoding": "gzip"}
    if answer.how == "chunked":
        chunk = b"%x\r\n%s\r\n" % (size, content) if content else b""
        return status, {"transfer-encoding": "chunked"}, chunk + b"0\r\n\r\n"
    if answer.how != "close":
        more["content-length"] = str(len(content))
    return status, more, content[: size // 2] if answer.how == "cut" else content


@asynccontextmanager
async def playing(case: Case) -> AsyncIterator[CaseService]:
    """Listen on a free port of loopback and play the script of a case."""
    service = CaseService(case)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's, not Django's
    service.base_url = f"http://127.0.0.1:{port}"
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, service.handle)
        yield service
        group.cancel_scope.cancel()
