"""PiAPI: Udio (`music-u`), ACE-Step and DiffRhythm; `docs/providers.md` 1, 2 and 4.4.

`piapi_requests` says what is sent, and `piapi_upload` makes a clip's file reachable for PiAPI.
Every task has the same `config`, so no webhook secret is ever sent or stored. Whatever a reply
looks like, reading it raises only our own errors.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from song_mcp.errors import Charged, SongError, UnreadableAnswerError
from song_mcp.providers import piapi_history, piapi_requests, verdict
from song_mcp.providers.accepted import task_id_in
from song_mcp.providers.base import (
    Accepted,
    Account,
    History,
    Likeness,
    Past,
    SourceAudio,
    Submission,
    account_tag,
)
from song_mcp.providers.http import Reply, ServiceHttp, unhurried
from song_mcp.providers.piapi_replies import (
    POINTS_PER_USD,
    AccountReply,
    ErrorReply,
    InputReply,
    TaskReply,
)
from song_mcp.providers.piapi_requests import LINK_FIELDS, NO_VOICE, UDIO, ServiceMode
from song_mcp.providers.piapi_upload import Upload
from song_mcp.providers.redaction import Redaction
from song_mcp.providers.replies import (
    ITEMS_CAP,
    opened,
    parsed,
    spoken,
    to_amount,
    to_message,
    to_object,
    to_text,
    unreadable,
    usable_id,
)
from song_mcp.providers.shapes import as_clips, first, read_clips, read_lyrics, standing, unpacked
from song_mcp.providers.transport import Transport
from song_mcp.providers.verdict import Envelope, answer_of, has_detail
from song_mcp.songs import (
    SERVICES,
    Clip,
    CoverRequest,
    ExtensionRequest,
    Kind,
    Lyrics,
    Report,
    Request,
    ServiceName,
    ServiceStatus,
)

SERVICE = SERVICES["piapi"]
LABEL = SERVICE.label
TASKS = "/api/v1/task"
STOPPED_MODELS = frozenset({"music-s", "suno"})
"""Models of music that PiAPI does not have any more (`docs/providers.md` 2.10)."""
KINDS: Mapping[str, Kind] = {"extend": "extension", "audio2audio": "cover"}
"""What a task of a model makes that is told what to do by the type of its task (2.12)."""
NO_VOICES = frozenset({NO_VOICE, "[instrumental]"})
ERROR_KEYS = ("message", "raw_message", "rawMessage", "detail")
GENERAL = re.compile(r"internal error\. please try again later|failed to do request", re.IGNORECASE)
NOTICE = re.compile(r"\s*attempt \d+\b|.*\bfrozen points\b", re.IGNORECASE | re.DOTALL)


class Piapi:
    """PiAPI behind the account of `key`; `service_mode` says whose Udio account works.

    `upload_url` is where files are uploaded, "" for PiAPI's own place beside its own base URL.
    """

    service: ServiceName = SERVICE.name

    def __init__(
        self,
        key: str,
        base_url: str,
        service_mode: ServiceMode = "public",
        transport: Transport | None = None,
        *,
        upload_url: str = "",
        proxy: str = "",
    ) -> None:
        self.account_tag = account_tag(self.service, base_url, key)
        headers = {"x-api-key": key}
        self._http = ServiceHttp(SERVICE, base_url, headers, [key], transport, proxy=proxy)
        self._upload = Upload(key, base_url, upload_url, transport, proxy=proxy)
        self._key = key
        self._service_mode = service_mode

    def prepare(self, request: Request) -> Submission:
        """Translate a request (`docs/providers.md` 2.1 to 2.3, 2.7, 2.12); sends nothing."""
        body = piapi_requests.body_of(request, self._service_mode)
        return Submission(self.service, TASKS, body, audio=_audio(request, body))

    async def attach(self, submission: Submission) -> Submission:
        """Add a link to the clip that goes along: PiAPI's own if it has one, else of an upload.

        This pays nothing. Raises LibraryError if there is no file to be uploaded, and a
        ServiceError if PiAPI does not take it.
        """
        if submission.audio is None:
            return submission
        link = await self._link_to(submission.audio) or await self._upload.link_to(submission.audio)
        return replace(submission, body=piapi_requests.with_link(submission.body, link))

    async def _link_to(self, audio: SourceAudio) -> str:
        """Return PiAPI's present link to a clip that was made there, "" if it tells none."""
        if audio.service != self.service or not audio.task_id:
            return ""
        try:
            report = await self.fetch(audio.task_id)
        except SongError:
            return ""
        links = (clip.audio_url for clip in report.clips if clip.clip_id == audio.clip_id)
        return next(filter(self._upload.has, links), "")

    async def submit(self, submission: Submission) -> Accepted:
        """Make the one POST.

        Raises NotSentError or RefusedError if nothing was charged, and NoAnswerError if
        PiAPI may have accepted all the same.
        """
        reply = await self._http.post(submission.path, submission.body, submission.deadline_s)
        return await unhurried(partial(self._accepted, reply), reply.size)

    def _accepted(self, reply: Reply) -> Accepted:
        read = self._read(reply)
        task_id = verdict.accepted_id(self.service, reply, read.envelope)
        report = None
        with suppress(UnreadableAnswerError):
            report = read.report(task_id)
        if report is not None and report.status == "failed":
            report = replace(report, charged="unknown", cost_usd=None)  # 1.5: not settled yet
        return Accepted(task_id, report)

    async def fetch(self, task_id: str) -> Report:
        """Look at one task.

        Raises UnknownTaskError if PiAPI does not know it, and a ServiceError if the look
        failed; looking costs nothing.
        """
        if not usable_id(task_id):
            raise verdict.unknown_task(self.service, task_id)
        reply = await self._http.get(f"{TASKS}/{quote(task_id, safe='')}")
        return await unhurried(partial(self._looked_at, reply, task_id), reply.size)

    def _looked_at(self, reply: Reply, task_id: str) -> Report:
        read = self._read(reply)
        if not (_id(read.task) and to_text(read.task.get("status"))):
            verdict.check_look(self.service, reply, read.envelope, task_id=task_id)
        if not read.task and to_object(reply.body).get("data") is None:
            raise verdict.unknown_task(self.service, task_id)
        return read.report(task_id)

    async def history(self, since: datetime, until: datetime, submission: Submission) -> History:
        """List what its model made between two times by PiAPI's clock (`docs/providers.md` 2.11).

        A long list is read up to `piapi_history.MOST_PAGES` pages. Raises a ServiceError if one of
        them cannot be read.
        """
        sent_as = to_text(submission.body.get("model"))
        tasks: dict[str, Past] = {}
        seen: set[str] = set()
        is_whole, is_readable, now = False, True, None
        for number in range(1, piapi_history.MOST_PAGES + 1):
            reply = await self._http.get(_page_path(number, since, until, sent_as))
            page = await unhurried(partial(self._page, reply, sent_as), reply.size)
            is_new, seen, now = bool(page.ids - seen), seen | page.ids, reply.date or now
            tasks |= {task.task_id: task for task in page.tasks}
            is_readable = is_readable and page.is_readable
            is_whole = not page.ids if page.total is None else len(seen) >= page.total
            if is_whole or not is_new:
                break
        return History(tuple(tasks.values()), is_whole and is_readable, not seen, now)

    def _page(self, reply: Reply, sent_as: str) -> piapi_history.Page:
        verdict.check_look(self.service, reply, self._read(reply).envelope)
        page = piapi_history.read_page(to_object(reply.body).get("data"), sent_as.casefold())
        if page is None:
            raise unreadable(LABEL, "data.data")
        return page

    async def compare(self, task_id: str, submission: Submission) -> tuple[Likeness, Report]:
        """Look at a task, and tell whether this submission made it; raises as `fetch` does."""
        reply = await self._http.get(f"{TASKS}/{quote(task_id, safe='')}")
        return await unhurried(partial(self._compared, reply, task_id, submission), reply.size)

    def _compared(
        self, reply: Reply, task_id: str, submission: Submission
    ) -> tuple[Likeness, Report]:
        report = self._looked_at(reply, task_id)
        return piapi_history.likeness(submission.body, self._read(reply).task), report

    async def account(self) -> Account:
        """Look at what is left on the account (`docs/providers.md` 2.8); raises a ServiceError."""
        reply = await self._http.get("/account/info")
        return await unhurried(partial(self._account, reply), reply.size)

    def _account(self, reply: Reply) -> Account:
        read = self._read(reply)
        verdict.check_look(self.service, reply, read.envelope)
        found = parsed(AccountReply, to_object(unpacked(reply.body)).get("data"), label=LABEL)
        limit = found.max_concurrent_task_count
        plan = read.redaction.song_text(found.plan)
        return Account(plan, found.balance_usd, None if limit is None else int(limit))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()
        await self._upload.close()

    def _read(self, reply: Reply) -> "_Read":
        whole = unpacked(reply.body)
        body = to_object(whole)
        task = _task_in(body)
        redaction = Redaction.of(whole, self._key, self._http.redact)
        return _Read(task, redaction, _envelope(reply, task, redaction))


@dataclass(frozen=True)
class _Read:
    """A reply, read once: its task ({} if it has none), its redaction, and its envelope."""

    task: dict[str, Any]
    redaction: Redaction
    envelope: Envelope

    def report(self, task_id: str) -> Report:
        """Return what the reply says of the task; raises UnreadableAnswerError."""
        return self.redaction.report(_report(parsed(TaskReply, self.task, label=LABEL), task_id))


# Requests --------------------------------------------------------------------------------------


def _audio(request: Request, body: Mapping[str, Any]) -> SourceAudio | None:
    """Return the clip whose audio goes along, None if none does."""
    is_made_of_audio = body["task_type"] in LINK_FIELDS
    if not is_made_of_audio or not isinstance(request, CoverRequest | ExtensionRequest):
        return None
    source = request.source
    return SourceAudio(source.clip_id, source.task_id, source.service, source.file)


def _page_path(number: int, since: datetime, until: datetime, sent_as: str) -> str:
    asked = {
        "page": number,
        "page_size": piapi_history.PAGE_SIZE,
        "model": sent_as,
        "start_time": int(since.timestamp()),
        "end_time": int(until.timestamp()) + 1,
    }
    return f"{piapi_history.PATH}?{urlencode(asked)}"


# Replies ---------------------------------------------------------------------------------------


def _task_in(body: dict[str, Any]) -> dict[str, Any]:
    """Return the task of a reply, which may have no envelope; {} if there is no task."""
    is_bare = "data" not in body and bool(_id(body)) and "status" in body
    data = body if is_bare else body.get("data")
    is_list = isinstance(data, list) and len(data) == 1
    return to_object(data[0] if is_list and isinstance(data, list) else data)


def _envelope(reply: Reply, task: dict[str, Any], redaction: Redaction) -> Envelope:
    body = to_object(opened(reply.body))
    message, code = spoken(body), to_text(body.get("code"))
    is_error = code != "200" if "code" in body else reply.status >= 300  # noqa: PLR2004
    own_id = _id(task)
    task_id = own_id or task_id_in(answer_of(reply), reply.sent, is_error=is_error)
    has_form = code.isdecimal() and ("data" in body or bool(message))
    is_framework = has_detail(reply)
    return Envelope(
        task_id="" if redaction.is_secret(task_id) else task_id,
        code=redaction.code(code),
        message=redaction.error("; ".join(dict.fromkeys(filter(None, (message, *_why(task)))))),
        is_service=has_form or is_framework or bool(task_id),
        is_framework=is_framework,
        is_unpaid=is_error and _is_unpaid(task),
    )


def _id(task: dict[str, Any]) -> str:
    return first(task, ("task_id", "taskId"), usable_id)


def _why(task: dict[str, Any]) -> list[str]:
    """Return all that the task's own error says, the reason alone in `raw_message` too (2.6)."""
    error = task.get("error")
    told = [error.get(key) for key in ERROR_KEYS] if isinstance(error, dict) else [error]
    return [spoken(each) for each in told]


def _is_unpaid(task: dict[str, Any]) -> bool:
    """Return whether this task failed and shows no points that were taken."""
    usage = to_object(to_object(task.get("meta")).get("usage"))
    return standing(to_text(task.get("status"))) == "failed" and not to_amount(usage.get("consume"))


def _report(task: TaskReply, task_id: str) -> Report:
    status = standing(task.status)
    model = SERVICE.model(task.model)
    clips = _clips(task, task_id, has_ended=status in {"completed", "failed"})
    kind = _kind(task, clips)
    clips = clips if kind in {"song", "extension", "cover"} else ()
    lyrics = read_lyrics(task.output) if kind == "lyrics" else None
    return Report(
        task_id=task_id,
        status=status,
        provider_status=task.status,
        kind=kind,
        model=model.name if model else task.model,
        clips=clips,
        lyrics=lyrics,
        error=_error(task, status, kind, clips, lyrics),
        charged=_charged(task, status),
        cost_usd=_cost_usd(task, status),
        created_at=task.meta.created_at,
        finished_at=task.meta.ended_at or task.meta.completed_at,
        asked=_asked(task.input),
    )


def _asked(given: InputReply) -> str:
    """Return the lyrics or the description that PiAPI repeats, "" if neither."""
    lyrics = "" if given.lyrics in NO_VOICES else given.lyrics
    return lyrics or given.prompt or given.gpt_description_prompt or given.style_prompt


def _clips(task: TaskReply, task_id: str, *, has_ended: bool) -> tuple[Clip, ...]:
    clips = as_clips(read_clips(task.output), task_id, has_ended=has_ended)
    if SERVICE.model(task.model) in {None, UDIO}:
        return clips
    return tuple(_completed(clip, task, has_ended=has_ended) for clip in clips)


def _completed(clip: Clip, task: TaskReply, *, has_ended: bool) -> Clip:
    """Return a clip with what only the request tells: how long it is, and what is sung in it.

    An output that is there before the end of its task is not believed (`docs/providers.md` 2.12).
    """
    given = task.input
    clip = replace(
        clip,
        duration_s=clip.duration_s or (given.duration if clip.status == "completed" else None),
        lyrics=clip.lyrics or ("" if given.lyrics in NO_VOICES else given.lyrics),
    )
    return clip if has_ended else replace(clip, status="processing", audio_url="", error="")


def _kind(task: TaskReply, clips: Sequence[Clip]) -> Kind:
    """Return what the task makes; clips of models that make no music do not count."""
    if task.task_type.casefold() == "generate_lyrics":
        return "lyrics"
    model = SERVICE.model(task.model)
    if model is not None and model != UDIO:
        return KINDS.get(task.task_type.casefold(), "song")
    is_stopped = task.model.casefold() in STOPPED_MODELS
    makes_music = task.task_type.casefold().startswith("generate_music") or bool(clips)
    if model is UDIO or not task.model or (is_stopped and makes_music):
        return "extension" if task.input.continue_song_id else "song"
    return "other"


def _error(
    task: TaskReply,
    status: ServiceStatus,
    kind: Kind,
    clips: Sequence[Clip],
    lyrics: Lyrics | None,
) -> str:
    if status == "failed":
        return _reason(task, clips)
    if status == "completed" and kind in {"song", "extension", "cover"} and not clips:
        return f"{LABEL} calls the task completed, but gave no audio."
    if status == "completed" and kind == "lyrics" and lyrics is None:
        return f"{LABEL} calls the task completed, but gave no lyrics."
    return ""


def _reason(task: TaskReply, clips: Sequence[Clip]) -> str:
    """Return why a task failed, the specific before the general (`docs/providers.md` 2.5, 4.4)."""
    told = list(_told(task, clips))
    telling = (words for words in told if not GENERAL.match(words))
    return next(telling, told[0] if told else f"{LABEL} gave no reason.")


def _told(task: TaskReply, clips: Sequence[Clip]) -> Iterator[str]:
    """Yield all that is said about the failure, the most reliable first."""
    if isinstance(task.error, dict):
        error = ErrorReply.model_validate(task.error)
        yield from filter(None, (error.message, error.raw_message, error.detail))
    else:
        yield from filter(None, [to_message(task.error)])
    yield from (line for line in _log_lines(task.logs) if not NOTICE.match(line))
    yield from (clip.error for clip in clips if clip.error)


def _log_lines(logs: object) -> Iterator[str]:
    """Yield the log's lines, whether they are texts, objects or one text."""
    entries = logs[:ITEMS_CAP] if isinstance(logs, list) else [logs]
    yield from filter(None, map(to_message, entries))


def _charged(task: TaskReply, status: ServiceStatus) -> Charged:
    """Return whether the task cost money, by its points alone (`docs/providers.md` 1.5).

    The log says it too, but its lines may repeat the user's words.
    """
    usage = task.meta.usage
    if usage.consume:
        return "yes"
    if status in {"pending", "processing"}:
        return "yes" if usage.frozen else "unknown"
    gave_back = usage.consume == 0 and bool(usage.frozen)
    return "no" if status == "failed" and gave_back else "unknown"


def _cost_usd(task: TaskReply, status: ServiceStatus) -> float | None:
    """Return what the task cost or, while it runs, what is frozen for it, in US dollars."""
    usage = task.meta.usage
    if usage.consume:
        return usage.consume / POINTS_PER_USD
    if status == "failed":
        return 0.0 if _charged(task, status) == "no" else None
    return usage.frozen / POINTS_PER_USD if usage.frozen else None
