"""gpt.ge's Suno: translation both ways (`docs/providers.md` 3).

Task ids are opaque: they are quoted in paths and never taken apart. Only the task's own status
decides whether it has ended. Whatever a reply looks like, reading it raises only our own errors.
"""

import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import quote

import anyio

from song_mcp.errors import (
    BusyError,
    Charged,
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
    ITEMS_CAP,
    TAG_CAP,
    opened,
    spoken,
    to_amount,
    to_line,
    to_message,
    to_object,
    to_percent,
    to_text,
    to_when,
    unreadable,
    usable_id,
)
from song_mcp.providers.shapes import (
    PLACES,
    TASK,
    Found,
    as_clips,
    first,
    holds_lyrics,
    is_task,
    lists_lyrics,
    read_clips,
    read_lyrics,
    standing,
    unpacked,
)
from song_mcp.providers.transport import Transport
from song_mcp.providers.verdict import (
    CRASHED,
    SUCCESS_CODES,
    Envelope,
    answer_of,
    has_detail,
)
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
MUSIC = frozenset({"", "music", "song", "generate", "description-mode"})
"""What gateways call the making of a song."""
DRAFTS = 2
"""How many drafts of lyrics Suno makes, and a gateway shows that lists them (3.10)."""
UNITS = 500_000
"""How much of a gateway's quota is one of its units (3.12)."""
BILLED = re.compile(r"suno(?:_\w+)?", re.IGNORECASE)
"""What gateways call Suno in a bill, which says nothing of the model."""
GIVEN_BACK = re.compile(
    r"已\w{0,4}?(?:退款|退还|退回|返还|补偿)|\brefunded\b|"
    r"\b(?:quota|credits?|points?) (?:(?:was|were|has been|have been) )?(?:returned|restored)\b",
    re.IGNORECASE,
)
"""What is said of a failed task whose price was given back."""
PERHAPS_NOT = re.compile(
    r"[不未没沒无無非如若]|\b(?:not|no|never|non|without|cannot|unless|if|may|might|will|would|could|"
    r"should|to be)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
"""What makes of such words a denial, a condition or a promise."""
SWEPT = re.compile(r"任务超时\W\d+分钟\W")
"""What new-api says of a task that it gave up, and whose price it gave back (3.12)."""
UPSTREAM_SAID = frozenset({"time out"})
"""What a Suno-API behind the gateway says of a task that failed there (3.4)."""
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
        if not read.tells(task_id):
            verdict.check_look(self.service, reply, read.envelope, task_id=task_id)
        if read.data is None and read.envelope.is_flag:
            raise unreadable(LABEL, "data")
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
        is_told = any(map(read.tells, task_ids))
        if not is_told and _has_no_batch(reply, read):
            return None
        if not is_told:
            verdict.check_look(self.service, reply, read.envelope)
        if not isinstance(read.data, dict | list | None):
            raise unreadable(LABEL, "data")
        reports = _reports(_tasks_in(read.data), set(task_ids))
        return {task_id: read.redaction.report(report) for task_id, report in reports.items()}

    async def account(self) -> None:
        """Return None: no look at the account is documented (`docs/providers.md` 3.8)."""

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    def _read(self, reply: Reply) -> "_Read":
        body = unpacked(reply.body)
        redaction = Redaction.of(body, self._key, self._http.redact)
        envelope = _envelope(reply, redaction)
        return _Read(_about(body), redaction, envelope, is_ok=200 <= reply.status < 300)  # noqa: PLR2004


@dataclass(frozen=True)
class _Read:
    """A reply, read once: what it is about (None if nothing), its redaction, and its envelope.

    `is_ok` tells whether HTTP calls it a success.
    """

    data: object
    redaction: Redaction
    envelope: Envelope
    is_ok: bool

    def tells(self, task_id: str) -> bool:
        """Tell whether it shows how this task stands, whatever is around that; or bare clips."""
        if self.is_ok and not self.envelope.is_service and read_clips(self.data):
            return True
        shown = (task for ids, task in _tasks_in(self.data) if task_id in ids)
        return any(_word(task) or (self.is_ok and _is_refused(task)) for task in shown)


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
    task_id = task_id_in(answer_of(reply), reply.sent, is_error=is_error)
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


def _about(body: object) -> object:
    """Return what a reply is about: its `data`, or itself if it has no envelope."""
    outer = to_object(body)
    is_bare = isinstance(body, list) or (is_task(outer) and not is_task(outer.get("data")))
    has_clips = "data" not in outer and bool(set(PLACES) & outer.keys())
    return body if is_bare or has_clips else outer.get("data")


Named = tuple[frozenset[str], Mapping[str, Any]]
"""A task, after all the ids that it may be known by."""


def _tasks_in(data: object, key: str = "", depth: int = 3) -> Iterator[Named]:
    """Yield the tasks of a list, of a map by their ids, or of an object that holds either."""
    if isinstance(data, dict) and is_task(data):
        yield _ids(data, key), data
    elif isinstance(data, list) and depth:
        for item in data[:ITEMS_CAP]:
            yield from _tasks_in(item, "", depth - 1)
    elif isinstance(data, dict) and depth:
        for name, item in islice(data.items(), ITEMS_CAP):
            yield from _tasks_in(item, name, depth - 1)


def _ids(task: Mapping[str, Any], key: str) -> frozenset[str]:
    """Return a task's ids; if it names none, its `id` or its key in a map is one."""
    named = frozenset(usable_id(task.get(name)) for name in TASK["id"]) - {""}
    return named or frozenset({usable_id(task.get("id")), usable_id(key)}) - {""}


def _one(data: object, task_id: str) -> object:
    """Return the task that was asked for from several, or `data` if there is no other."""
    tasks = [] if is_task(data) else list(_tasks_in(data))
    named = [task for ids, task in tasks if task_id in ids]
    return next(iter(named), tasks[0][1] if len(tasks) == 1 else data)


def _reports(tasks: Iterable[Named], asked: set[str]) -> dict[str, Report]:
    """Read each task that was asked for; raises only if none of them can be read."""
    reports: dict[str, Report] = {}
    failure: UnreadableAnswerError | None = None
    for ids, task in tasks:
        for task_id in ids & asked:
            try:
                reports[task_id] = _report(task, task_id)
            except UnreadableAnswerError as error:
                failure = error
    if failure is not None and not reports:
        raise failure
    return reports


@dataclass(frozen=True)
class _Task:
    """A task by the table of names; fields that could name accounts or channels are not read.

    `word` is its status as it was sent; without one, it stands as its clips or lyrics do. `found`
    are its clips, and `lyrics` what it wrote if `makes_lyrics`.
    """

    word: str
    action: str
    reason: str
    submitted: datetime | None
    finished: datetime | None
    progress: int | None
    model: str
    quota: float | None
    found: Found
    lyrics: Lyrics | None
    makes_lyrics: bool

    @property
    def status(self) -> ServiceStatus:
        """The status in our words (3.4)."""
        return standing(self.word)


def _task(data: object) -> _Task:
    """Read a task, or what a bare Suno-API sends in its place: clips or lyrics alone.

    Raises UnreadableAnswerError if nothing tells how it stands.
    """
    task = to_object(data)
    action = first(task, TASK["action"], to_line(TAG_CAP)).casefold()
    makes_lyrics = action == "lyrics" if action else holds_lyrics(data)
    found = [] if makes_lyrics else read_clips(data)
    word = _word(task) or ("complete" if makes_lyrics and not action else _word_of(found))
    if _is_refused(task) and not _word(task):
        word = "error"
    if not word and not isinstance(data, list):
        raise unreadable(LABEL, "data.status" if isinstance(data, dict) else "data")
    return _Task(
        word=word or "processing",
        action=action,
        reason=first(task, TASK["reason"], to_message),
        submitted=first(task, TASK["submitted"], to_when),
        finished=first(task, TASK["finished"], to_when),
        progress=first(task, TASK["progress"], to_percent),
        model=first(task, TASK["model"], to_line(TAG_CAP)),
        quota=first(task, TASK["quota"], to_amount),
        found=found,
        lyrics=_lyrics(data) if makes_lyrics else None,
        makes_lyrics=makes_lyrics,
    )


def _word(task: Mapping[str, Any]) -> str:
    return first(task, TASK["status"], to_line(TAG_CAP))


def _is_refused(task: Mapping[str, Any]) -> bool:
    """Return whether `{"success": false}` stands in a task, or in the result that it holds."""
    held = [task, *(to_object(task.get(name)) for name in PLACES)]
    return any(each.get("success") is False for each in held)


def _word_of(found: Found) -> str:
    """Return how clips stand together, "" if there are none: they have ended when each of them has.

    If none of them says how it stands, they have ended when each has its audio.
    """
    words = [clip.status for _, clip in found]
    stands = [standing(word) for word in words]
    has_ended = all(stand in {"completed", "failed"} for stand in stands)
    if found and not any(words) and all(clip.audio_url for _, clip in found):
        return "complete"
    if not found or not has_ended:
        return "processing" if found else ""
    return "complete" if "completed" in stands else "error"


def _lyrics(data: object) -> Lyrics | None:
    """Return the drafts, and one without text for each that a list does not have yet."""
    lyrics = read_lyrics(data)
    if lyrics is None or not lists_lyrics(data):
        return lyrics
    missing = DRAFTS - 1 - len(lyrics.others)
    return replace(lyrics, others=lyrics.others + (Lyrics("", ""),) * missing)


def _report(data: object, task_id: str) -> Report:
    task = _task(data)
    clips = as_clips(task.found, task_id, has_ended=task.status in {"completed", "failed"})
    return Report(
        task_id=task_id,
        status=task.status,
        provider_status=task.word,
        kind=_kind(task),
        model=_model(task),
        progress_percent=task.progress,
        clips=clips,
        lyrics=task.lyrics,
        error=_error(task, clips),
        charged=_charged(task),
        cost_units=task.quota / UNITS if task.quota else None,
        created_at=task.submitted,
        finished_at=task.finished,
        asked=next((clip.asked for _, clip in task.found if clip.asked), ""),
    )


def _charged(task: _Task) -> Charged:
    """Return what is known of the price: a quota was charged, unless the task failed (3.12)."""
    if task.status != "failed":
        return "yes" if task.quota else "unknown"
    return "no" if _is_given_back(task) else "unknown"


def _is_given_back(task: _Task) -> bool:
    """Return whether the price of a failed task was given back.

    A gateway gives it back when its upstream tells the failure: then the reason is the upstream's,
    the first clip's. What it makes of a task that it lost, or gave up long ago, it does not.
    """
    reason = task.reason
    if GIVEN_BACK.search(reason):
        return not PERHAPS_NOT.search(reason)
    told = {clip.words for _, clip in task.found if clip.words or clip.is_broken}
    is_upstreams = reason in told or (bool(told) and (not reason or reason in UPSTREAM_SAID))
    return is_upstreams or reason in UPSTREAM_SAID or SWEPT.fullmatch(reason) is not None


def _kind(task: _Task) -> Kind:
    if task.makes_lyrics:
        return "lyrics"
    if any(clip.is_extension for _, clip in task.found):
        return "extension"
    return "song" if task.found or task.action in MUSIC else "other"


def _model(task: _Task) -> str:
    """Return our name of the model if Suno's is in the table (3.7), else Suno's own."""
    names = [clip.model or _mv(clip.version) for _, clip in task.found]
    names += [] if BILLED.fullmatch(task.model) else [task.model]
    name = next(filter(None, names), "")
    model = SERVICE.model(name)
    return model.name if model is not None else name


def _mv(version: str) -> str:
    """Return a version such as "v3.5" in the form of the table."""
    return f"chirp-{version.replace('.', '-')}" if version else ""


def _error(task: _Task, clips: Sequence[Clip]) -> str:
    if task.status == "failed":
        reasons = [task.reason, *(clip.error for clip in clips)]
        return next(filter(None, reasons), f"{LABEL} gave no reason.")
    if task.status == "completed" and not clips and task.lyrics is None:
        what = "lyrics" if task.makes_lyrics else "audio"
        return f"{LABEL} calls the task completed, but gave no {what}."
    return ""
