"""gpt.ge's Suno: translation both ways (`docs/providers.md` 3).

Task ids are opaque: they are quoted in paths and never taken apart. Only the task's own status
decides whether it has ended. Whatever a reply looks like, reading it raises only our own errors.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

import anyio
from pydantic import AliasChoices, Field

from song_mcp.errors import (
    BusyError,
    InvalidRequestError,
    ServiceError,
    UnknownTaskError,
    UnreadableAnswerError,
)
from song_mcp.providers import verdict
from song_mcp.providers.accepted import NAMES_OF_TASKS, task_id_in
from song_mcp.providers.base import Accepted, Submission, account_tag
from song_mcp.providers.http import Reply, ServiceHttp, unhurried
from song_mcp.providers.redaction import Redaction
from song_mcp.providers.replies import (
    BROKEN,
    DONE,
    ITEMS_CAP,
    ClipReply,
    Lenient,
    Message,
    NeededWord,
    Percent,
    Text,
    When,
    Word,
    as_clips,
    opened,
    parsed,
    read_clips,
    read_lyrics,
    spoken,
    to_object,
    to_text,
    unreadable,
    usable_id,
)
from song_mcp.providers.transport import Transport
from song_mcp.providers.verdict import CRASHED, SUCCESS_CODES, Envelope, has_detail
from song_mcp.songs import (
    SERVICES,
    Clip,
    ExtensionRequest,
    Kind,
    Lyrics,
    LyricsRequest,
    Report,
    Request,
    ServiceName,
    ServiceStatus,
    SongRequest,
    public_clip_id,
)

SERVICE = SERVICES["gptge"]
LABEL = SERVICE.label
LYRICS_DEADLINE_S = 130.0
"""Submitting lyrics may take two minutes (`docs/providers.md` 3.5)."""
WAITING = frozenset({"not_start", "submitted", "queued", "pending"})
TASK_KEYS = frozenset(
    {"task_id", "taskId", "action", "progress", "fail_reason", "failReason", "submit_time"}
)
"""What tells a task from the bare lyrics or clip of a Suno-API (`docs/providers.md` 3.4, 3.5)."""
ALONE_S = 3_600.0
"""For how long, in seconds, a relay without the call of 3.6 is asked for each task by itself."""
LOOKS_AT_ONCE, MOST_FAILURES = 8, 3
"""How many of these looks are made at once, and how many more may fail than are answered."""
NO_SUCH_CALL = frozenset({404, 405, 501})
KEY_STATUSES = frozenset({401, 402, 403, 408, 429})
"""What a gate refuses whatever is called, or for now."""
FORM = frozenset({"data", "message", "result", *NAMES_OF_TASKS})
"""What an answer of the task layer has beside its code (`docs/providers.md` 3.3, 3.9)."""


class Gptge:
    """gpt.ge behind the account of `key`; `now` tells the seconds of a clock that is never set."""

    service: ServiceName = SERVICE.name

    def __init__(
        self,
        key: str,
        base_url: str,
        transport: Transport | None = None,
        *,
        proxy: str = "",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self.account_tag = account_tag(self.service, base_url, key)
        self._http = ServiceHttp(SERVICE, base_url, headers, [key], transport, proxy=proxy)
        self._key = key
        self._now = now
        self._alone_until = -math.inf

    def prepare(self, request: Request) -> Submission:
        """Translate a request (`docs/providers.md` 3.1, 3.2, 3.5); sends nothing.

        Raises InvalidRequestError for an extension of a clip whose task is not known.
        """
        if isinstance(request, LyricsRequest):
            body = {"prompt": request.topic}
            return Submission(self.service, "/suno/submit/lyrics", body, LYRICS_DEADLINE_S)
        return Submission(self.service, "/suno/submit/music", _music(request))

    async def submit(self, submission: Submission) -> Accepted:
        """Make the one POST.

        Raises NotSentError or RefusedError if nothing was charged, and NoAnswerError if
        gpt.ge may have accepted all the same.
        """
        reply = await self._http.post(submission.path, submission.body, submission.deadline_s)
        return await unhurried(partial(self._accepted, reply), reply.size)

    def _accepted(self, reply: Reply) -> Accepted:
        return Accepted(verdict.accepted_id(self.service, reply, self._read(reply).envelope))

    async def fetch(self, task_id: str) -> Report:
        """Look at one task.

        Looking costs nothing. Raises UnknownTaskError if gpt.ge does not know the task, or if it is
        another account's, for gpt.ge says the same of both; and a ServiceError if the look failed.
        """
        if not usable_id(task_id):
            raise verdict.unknown_task(self.service, task_id)
        reply = await self._http.get(f"/suno/fetch/{quote(task_id, safe='')}")
        return await unhurried(partial(self._looked_at, reply, task_id), reply.size)

    def _looked_at(self, reply: Reply, task_id: str) -> Report:
        read = self._read(reply)
        verdict.check_look(self.service, reply, read.envelope, task_id=task_id)
        if read.data is None:
            raise verdict.unknown_task(self.service, task_id)
        return read.redaction.report(_report(_one(read.data, task_id), task_id))

    async def fetch_many(self, task_ids: Sequence[str]) -> Mapping[str, Report]:
        """Look at several tasks in one call (`docs/providers.md` 3.6).

        Tasks that gpt.ge leaves out, and single ones that cannot be read, are not returned. A relay
        without this call is asked for each task by itself, for an hour without trying again. Raises
        a ServiceError if the look as a whole failed.
        """
        if not task_ids:
            return {}
        if self._now() < self._alone_until:
            return await self._one_by_one(task_ids)
        reply = await self._http.post_read("/suno/fetch", {"ids": list(task_ids)})
        reports = await unhurried(partial(self._looked_at_many, reply, task_ids), reply.size)
        if reports is not None:
            return reports
        self._alone_until = self._now() + ALONE_S
        return await self._one_by_one(task_ids)

    async def _one_by_one(self, task_ids: Sequence[str]) -> Mapping[str, Report]:
        """Look at each task by itself, and stop if looks mostly fail or are too many."""
        limit, failures = anyio.CapacityLimiter(LOOKS_AT_ONCE), list[ServiceError]()
        reports: dict[str, Report] = {}

        async def look(task_id: str) -> None:
            async with limit:
                is_busy = any(isinstance(each, BusyError) for each in failures)
                if is_busy or len(failures) >= len(reports) + MOST_FAILURES:
                    return
                try:
                    with suppress(UnknownTaskError):
                        reports[task_id] = await self.fetch(task_id)
                except ServiceError as error:
                    failures.append(error)

        async with anyio.create_task_group() as group:
            for task_id in task_ids:
                group.start_soon(look, task_id)
        if failures and not reports:
            raise failures[0]
        return reports

    def _looked_at_many(self, reply: Reply, task_ids: Sequence[str]) -> Mapping[str, Report] | None:
        """Return what the reply says of the tasks, or None if the relay lacks this look."""
        read = self._read(reply)
        if _has_no_batch(reply, read):
            return None
        verdict.check_look(self.service, reply, read.envelope)
        tasks = [read.data] if isinstance(read.data, dict) else read.data or []
        if not isinstance(tasks, list):
            raise unreadable(LABEL, "data")
        reports = _reports(tasks, set(task_ids))
        return {task_id: read.redaction.report(report) for task_id, report in reports.items()}

    async def account(self) -> None:
        """Return None: no look at the account is documented (`docs/providers.md` 3.8)."""

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    def _read(self, reply: Reply) -> "_Read":
        redaction = Redaction.of(reply.body, self._key, self._http.redact)
        return _Read(to_object(reply.body).get("data"), redaction, _envelope(reply, redaction))


@dataclass(frozen=True)
class _Read:
    """A reply, read once: its data (None if it has none), its redaction, and its envelope."""

    data: object
    redaction: Redaction
    envelope: Envelope


# Requests --------------------------------------------------------------------------------------


def _music(request: SongRequest) -> dict[str, Any]:
    """Return the body in the right mode: continuation, custom (own lyrics) or inspiration."""
    if isinstance(request, ExtensionRequest):
        return _custom(request) | _continuation(request)
    if request.lyrics:
        return _custom(request)
    return {
        "gpt_description_prompt": request.description,
        "mv": request.model.sent_as,
        "make_instrumental": request.instrumental,
    }


def _custom(request: SongRequest) -> dict[str, Any]:
    """Return the body with own lyrics, and the description as tags; no lyrics: an instrumental."""
    return {
        "prompt": request.lyrics,
        "title": request.title,
        "tags": request.description,
        "mv": request.model.sent_as,
    }


def _continuation(request: ExtensionRequest) -> dict[str, Any]:
    if not request.source.task_id:
        clip = public_clip_id(request.source.clip_id)
        raise InvalidRequestError(
            f"To continue clip {clip}, gpt.ge needs the task that made it, which is not known "
            "here. Call fetch_suno_task with that task's id first. Nothing was sent or paid."
        )
    position = float(request.position_s)
    return {
        "task_id": request.source.task_id,
        "continue_clip_id": request.source.clip_id,
        "continue_at": int(position) if position.is_integer() else position,
    }


# Replies ---------------------------------------------------------------------------------------


def _envelope(reply: Reply, redaction: Redaction) -> Envelope:
    """Read any of the envelopes: the task layer's, the gate's `{"error": {...}}`, a flag (3.3)."""
    body = to_object(opened(reply.body))
    gate = to_object(body.get("error"))
    said = spoken(gate)
    code = _gate_code(gate) if said else _code(body)
    has_form = _is_code(body.get("code")) and bool(FORM & body.keys())
    has_flag = isinstance(body.get("success"), bool)
    is_framework = has_detail(reply)
    is_error = _is_error(reply, body, code) or is_framework
    task_id = task_id_in(reply.body, reply.sent, is_error=is_error)
    return Envelope(
        task_id="" if redaction.is_secret(task_id) else task_id,
        code=redaction.code(code),
        message=redaction.error(said or spoken(body)),
        is_service=has_form or has_flag or is_framework or bool(said),
        is_gate=bool(said) and not (has_form or has_flag) and _is_of_gate(reply, body),
        is_framework=is_framework,
        is_flag=has_flag,
    )


def _is_of_gate(reply: Reply, body: Mapping[str, object]) -> bool:
    """Return whether an error in the gate's form can be the gate's: it makes and asks nothing."""
    kind = to_text(to_object(body.get("error")).get("type")).casefold()
    is_of_upstream = reply.status >= 500 and "upstream" in kind  # noqa: PLR2004
    return body.get("data") is None and not is_of_upstream


def _code(body: Mapping[str, object]) -> str:
    """Return the code of an answer, or one for `{"success": false}` without a code."""
    return to_text(body.get("code")) or ("error" if body.get("success") is False else "")


def _is_error(reply: Reply, body: Mapping[str, object], code: str) -> bool:
    """Return whether an answer reports an error; one without a code does by its status."""
    if "code" in body or code:
        return code.casefold() not in SUCCESS_CODES
    is_told = any(body.get(key) for key in ("error", "error_code", "error_msg"))
    return is_told or reply.status >= 300  # noqa: PLR2004 - HTTP's own numbers


def _either(name: str, other: str, default: Any) -> Any:  # noqa: ANN401 - pydantic's own type
    """Declare a field that similar gateways spell in camel case."""
    return Field(default, validation_alias=AliasChoices(name, other))


class _Task(Lenient):
    """A task; fields that could name accounts or channels are not read."""

    status: NeededWord
    action: Word = ""
    fail_reason: Message = _either("fail_reason", "failReason", "")
    submit_time: When = _either("submit_time", "submitTime", None)
    finish_time: When = _either("finish_time", "finishTime", None)
    progress: Percent = None
    data: Any = None


class _Named(Lenient):
    task_id: Text = _either("task_id", "taskId", "")


def _is_code(value: object) -> bool:
    """Return whether this is an error code: a text; numbers mean success (3.3, 5.2)."""
    return isinstance(value, str) or (value is not None and to_text(value) in SUCCESS_CODES - {""})


def _gate_code(gate: Mapping[str, object]) -> str:
    """Return the code of an error of the gate, or that of a crash if its message reports one."""
    words = [to_text(gate.get(key)) for key in ("type", "code", "message")] + [spoken(gate)]
    is_crash = any(CRASHED in text.casefold() for text in words)
    return CRASHED if is_crash else to_text(gate.get("code")) or "error"


def _has_no_batch(reply: Reply, read: _Read) -> bool:
    """Return whether a relay lacks the look at several tasks (3.6): a page, or its gate's error."""
    if reply.status in NO_SUCH_CALL:
        return True
    is_page = not reply.is_json and reply.text.startswith("<") and reply.status < 400  # noqa: PLR2004
    is_crash = read.envelope.code == CRASHED
    is_gate = read.envelope.is_gate and not is_crash and reply.status not in KEY_STATUSES
    return is_page or is_gate


def _one(data: object, task_id: str) -> object:
    """Return the task that was asked for from a list of tasks, or `data` if it is not a list."""
    items = data[:ITEMS_CAP] if isinstance(data, list) else []
    tasks = list(filter(_is_task, items))
    named = [task for task in tasks if _Named.model_validate(task).task_id == task_id]
    return next(iter(named or tasks), data)


def _is_task(value: object) -> bool:
    return isinstance(value, dict) and bool(TASK_KEYS & value.keys())


def _reports(tasks: list[object], asked: set[str]) -> dict[str, Report]:
    """Read each task that was asked for; raises only if none of them can be read."""
    reports: dict[str, Report] = {}
    failure: UnreadableAnswerError | None = None
    for task in filter(_is_task, tasks[:ITEMS_CAP]):
        task_id = _Named.model_validate(task).task_id
        try:
            if task_id in asked:
                reports[task_id] = _report(task, task_id)
        except UnreadableAnswerError as error:
            failure = error
    if failure is not None and not reports:
        raise failure
    return reports


def _report(data: object, task_id: str) -> Report:
    """Read a task, or what a bare Suno-API sends in its place: clips or lyrics alone."""
    bare = {} if _is_task(data) else to_object(data)
    if "text" in bare:
        return _report_of(_bare_lyrics(bare), task_id)
    if isinstance(data, list) or "audio_url" in bare:
        return _report_of(_bare_music([bare] if bare else data), task_id)
    return _report_of(parsed(_Task, data, label=LABEL), task_id)


def _bare_lyrics(data: Mapping[str, object]) -> _Task:
    status = to_text(data.get("status")) or "complete"
    return _Task.model_validate({"status": status, "action": "LYRICS", "data": data})


def _bare_music(data: object) -> _Task:
    """Make a task of clips alone; it has ended when each of them has."""
    words = [clip.status.casefold() for _, clip in read_clips(data)]
    has_ended = bool(words) and all(word in DONE | BROKEN for word in words)
    ended = "complete" if any(word in DONE for word in words) else "error"
    status = ended if has_ended else "processing"
    return _Task.model_validate({"status": status, "action": "MUSIC", "data": data})


def _report_of(task: _Task, task_id: str) -> Report:
    status = _status(task.status)
    lyrics = read_lyrics(task.data) if _makes_lyrics(task) else None
    found = [] if _makes_lyrics(task) else read_clips(task.data)
    clips = as_clips(found, task_id, has_ended=status in {"completed", "failed"})
    return Report(
        task_id=task_id,
        status=status,
        provider_status=task.status,
        kind=_kind(task, found),
        model=_model(found),
        progress_percent=task.progress,
        clips=clips,
        lyrics=lyrics,
        error=_error(task, status, clips, lyrics),
        charged="no" if status == "failed" else "unknown",  # the quota is given back (3.4)
        created_at=task.submit_time,
        finished_at=task.finish_time,
        asked=next((clip.metadata.asked for _, clip in found if clip.metadata.asked), ""),
    )


def _status(word: str) -> ServiceStatus:
    """Return the status in our words; an unknown word is no end, nor is UNKNOWN itself (3.4)."""
    folded = word.casefold()
    if folded in DONE:
        return "completed"
    if folded in BROKEN:
        return "failed"
    return "pending" if folded in WAITING else "processing"


def _makes_lyrics(task: _Task) -> bool:
    if task.action:
        return task.action.casefold() == "lyrics"
    return "text" in to_object(task.data)


def _kind(task: _Task, found: list[tuple[str, ClipReply]]) -> Kind:
    if _makes_lyrics(task):
        return "lyrics"
    if any(clip.is_extension for _, clip in found):
        return "extension"
    return "song" if found or task.action.casefold() in {"", "music"} else "other"


def _model(found: list[tuple[str, ClipReply]]) -> str:
    """Return our name of the model if Suno's is in the table (3.7), else Suno's own."""
    names = (clip.model_name or _mv(clip.major_model_version) for _, clip in found)
    name = next(filter(None, names), "")
    model = SERVICE.model(name)
    return model.name if model is not None else name


def _mv(version: str) -> str:
    """Return a version such as "v3.5" in the form of the table."""
    return f"chirp-{version.replace('.', '-')}" if version else ""


def _error(task: _Task, status: ServiceStatus, clips: Sequence[Clip], lyrics: Lyrics | None) -> str:
    if status == "failed":
        reasons = [task.fail_reason, *(clip.error for clip in clips)]
        return next(filter(None, reasons), f"{LABEL} gave no reason.")
    if status == "completed" and not clips and lyrics is None:
        what = "lyrics" if _makes_lyrics(task) else "audio"
        return f"{LABEL} calls the task completed, but gave no {what}."
    return ""
