"""PiAPI: Udio (`music-u`), ACE-Step and DiffRhythm; `docs/providers.md` 1, 2 and 4.4.

`piapi_requests` says what is sent, `piapi_reports` what a task in an answer means, and
`piapi_upload` makes a clip's file reachable for PiAPI. Every task has the same `config`, so no
webhook secret is ever sent or stored. Whatever a reply looks like, reading it raises only our own
errors.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from song_mcp.errors import ServiceError, SongError, UnreadableAnswerError
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
from song_mcp.providers.piapi_replies import AccountReply, TaskReply
from song_mcp.providers.piapi_reports import report_of
from song_mcp.providers.piapi_requests import LINK_FIELDS, ServiceMode
from song_mcp.providers.piapi_upload import Upload
from song_mcp.providers.redaction import Redaction
from song_mcp.providers.replies import (
    opened,
    parsed,
    spoken,
    to_amount,
    to_object,
    to_text,
    unreadable,
    usable_id,
)
from song_mcp.providers.shapes import first, standing, unpacked
from song_mcp.providers.transport import Transport
from song_mcp.providers.verdict import Envelope, answer_of, has_detail
from song_mcp.songs import (
    SERVICES,
    CoverRequest,
    ExtensionRequest,
    Report,
    Request,
    ServiceName,
)

SERVICE = SERVICES["piapi"]
LABEL = SERVICE.label
TASKS = "/api/v1/task"
FRESH_FOR = timedelta(days=1)
"""How long after the end of its task a link is taken to work (`docs/providers.md` 2.12)."""
ERROR_KEYS = ("message", "raw_message", "rawMessage", "detail")


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
        timed = piapi_requests.timed_lyrics(body)
        audio = _audio(request, body)
        return Submission(self.service, TASKS, body, audio=audio, timed_lyrics=timed)

    async def attach(self, submission: Submission) -> Submission:
        """Add a link to the clip that goes along: PiAPI's own if it has one, else of an upload.

        PiAPI tells a link also when what it leads to is gone. So an old one is used only if the
        upload fails. This pays nothing. Raises LibraryError if there is no file to be uploaded, and
        a ServiceError if PiAPI does not take it.
        """
        if submission.audio is None:
            return submission
        link, is_fresh = await self._link_to(submission.audio)
        if not is_fresh:
            try:
                link = await self._upload.link_to(submission.audio)
            except SongError:
                if not link:
                    raise
        return replace(submission, body=piapi_requests.with_link(submission.body, link))

    async def _link_to(self, audio: SourceAudio) -> tuple[str, bool]:
        """Return PiAPI's own link to a clip, and whether the clip was made a short time ago."""
        if audio.service != self.service or not audio.task_id:
            return "", False
        try:
            report = await self.fetch(audio.task_id)
        except SongError:
            return "", False
        links = (clip.audio_url for clip in report.clips if clip.clip_id == audio.clip_id)
        link, made_at = next(filter(self._upload.has, links), ""), report.finished_at
        is_fresh = made_at is not None and datetime.now(UTC) - made_at < FRESH_FOR
        return link, bool(link) and is_fresh

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

        A long list is read up to `piapi_history.MOST_PAGES` pages. What runs and is not listed yet
        is added if its id is told; if it is only counted, the list is not whole. Raises a
        ServiceError if a page cannot be read.
        """
        sent_as = to_text(submission.body.get("model"))
        tasks: dict[str, Past] = {}
        seen: set[str] = set()
        is_open: set[str] = set()
        is_whole, is_readable, now = False, True, None
        for number in range(1, piapi_history.MOST_PAGES + 1):
            reply = await self._http.get(_page_path(number, since, until, sent_as))
            page = await unhurried(partial(self._page, reply, sent_as), reply.size)
            is_new, seen, now = bool(page.ids - seen), seen | page.ids, reply.date or now
            tasks |= {task.task_id: task for task in page.tasks}
            is_open |= page.open
            is_readable = is_readable and page.is_readable
            is_whole = not page.ids if page.total is None else len(seen) >= page.total
            if is_whole or not is_new:
                break
        running = await self._running(sent_as.casefold())
        tasks = {task.task_id: task for task in running.tasks} | tasks
        is_whole = is_whole and is_readable and not running.is_more_than(is_open)
        return History(tuple(tasks.values()), is_whole, not tasks and not seen, now)

    async def _running(self, model: str) -> piapi_history.Running:
        """Return what runs now of a model (2.8); nothing, if that is not told."""
        try:
            reply = await self._http.get(piapi_history.RUNNING_PATH)
            return await unhurried(partial(self._jobs, reply, model), reply.size)
        except ServiceError:
            return piapi_history.Running(0)

    def _jobs(self, reply: Reply, model: str) -> piapi_history.Running:
        verdict.check_look(self.service, reply, self._read(reply).envelope)
        return piapi_history.read_running(to_object(reply.body).get("data"), model)

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
        at_once = None if limit is None else int(limit)
        return Account(plan, found.balance_usd, at_once, told_at=reply.date)

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
        return self.redaction.report(report_of(parsed(TaskReply, self.task, label=LABEL), task_id))


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
