"""gpt.ge's Suno: translation both ways (`docs/providers.md` 3).

Task ids are opaque: they are quoted in paths and never taken apart. Only the task's own status
decides whether it has ended. Whatever a reply looks like, reading it raises only our own errors.
"""

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import anyio

from song_mcp.errors import (
    BusyError,
    InvalidRequestError,
    ServiceError,
    UnknownTaskError,
)
from song_mcp.providers import verdict
from song_mcp.providers.accepted import NAMES_OF_TASKS, task_id_in
from song_mcp.providers.base import Accepted, Account, Submission, account_tag
from song_mcp.providers.gptge_account import account
from song_mcp.providers.gptge_replies import (
    about,
    is_refused,
    named,
    one,
    report_of,
    reports_of,
    tasks_in,
    word_of,
)
from song_mcp.providers.http import Reply, ServiceHttp, unhurried
from song_mcp.providers.redaction import Redaction
from song_mcp.providers.replies import (
    opened,
    spoken,
    to_object,
    to_text,
    unreadable,
    usable_id,
)
from song_mcp.providers.shapes import (
    read_clips,
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
    ExtensionRequest,
    LyricsRequest,
    Report,
    Request,
    ServiceName,
    SongRequest,
    public_clip_id,
)

SERVICE = SERVICES["gptge"]
LABEL = SERVICE.label
LYRICS_DEADLINE_S = 130.0
"""Submitting lyrics may take two minutes (`docs/providers.md` 3.5)."""
ALONE_S = 3_600.0
"""For how long, in seconds, a relay without the call of 3.6 is asked for each task by itself."""
LOOKS_AT_ONCE, MOST_FAILURES = 8, 3
"""How many of these looks are made at once, and how many more may fail than are answered."""
NO_SUCH_CALL = frozenset({404, 405, 501})
KEY_STATUSES = frozenset({401, 402, 403, 408, 429})
"""What a gate refuses whatever is called, or for now."""
REFUSING_NUMBER = re.compile("4[0-9][0-9]")
"""With which codes relays refuse in HTTP 200: HTTP's own numbers (`docs/providers.md` 3.9)."""
FORM = frozenset({"data", "message", "msg", "result", *NAMES_OF_TASKS})
"""What an answer of the task layer has beside its code (`docs/providers.md` 3.3, 3.9)."""


class Gptge:
    """gpt.ge behind the account of `key`; `now` tells the seconds of a clock that is never set.

    `names` maps our names of models to those of this relay, where they are not Suno's own.
    """

    service: ServiceName = SERVICE.name

    def __init__(
        self,
        key: str,
        base_url: str,
        transport: Transport | None = None,
        *,
        proxy: str = "",
        names: Mapping[str, str] = MappingProxyType({}),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self.account_tag = account_tag(self.service, base_url, key)
        self._http = ServiceHttp(SERVICE, base_url, headers, [key], transport, proxy=proxy)
        self._key = key
        self._names = names
        self._now = now
        self._alone_until = -math.inf

    def prepare(self, request: Request) -> Submission:
        """Translate a request (`docs/providers.md` 3.1, 3.2, 3.5); sends nothing.

        Raises InvalidRequestError for an extension of a clip whose task is not known.
        """
        if isinstance(request, LyricsRequest):
            body = {"prompt": request.topic}
            return Submission(self.service, "/suno/submit/lyrics", body, LYRICS_DEADLINE_S)
        sent_as = self._names.get(request.model.name, request.model.sent_as)
        return Submission(self.service, "/suno/submit/music", _music(request, sent_as))

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
        return self._told(read, report_of(one(read.data, task_id), task_id))

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
        reports = reports_of(tasks_in(read.data), set(task_ids))
        return {task_id: self._told(read, report) for task_id, report in reports.items()}

    async def account(self) -> Account | None:
        """Look at the key, as far as gateways of this family tell of it; None if nothing is told.

        Raises nothing, as none of these looks is documented (`docs/providers.md` 3.13).
        """
        return await account(self._http)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    def _told(self, read: "_Read", report: Report) -> Report:
        return read.redaction.report(named(report, self._names))

    def _read(self, reply: Reply) -> "_Read":
        body = unpacked(reply.body)
        redaction = Redaction.of(body, self._key, self._http.redact)
        envelope = _envelope(reply, redaction)
        return _Read(about(body), redaction, envelope, is_ok=200 <= reply.status < 300)  # noqa: PLR2004


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
        shown = (task for ids, task in tasks_in(self.data) if task_id in ids)
        return any(word_of(task) or (self.is_ok and is_refused(task)) for task in shown)


# Requests --------------------------------------------------------------------------------------


def _music(request: SongRequest, mv: str) -> dict[str, Any]:
    """Return the body in the right mode: continuation, custom (own lyrics) or inspiration."""
    if isinstance(request, ExtensionRequest):
        return _custom(request, mv) | _continuation(request)
    if request.lyrics:
        return _custom(request, mv)
    return {
        "gpt_description_prompt": request.description,
        "mv": mv,
        "make_instrumental": request.instrumental,
    } | _wishes(request, {})


def _custom(request: SongRequest, mv: str) -> dict[str, Any]:
    """Return the body with own lyrics, and the description as tags; no lyrics: an instrumental."""
    return {
        "prompt": request.lyrics,
        "title": request.title,
        "tags": request.description,
        "mv": mv,
    } | _wishes(request, {"create_mode": "custom"})


def _wishes(request: SongRequest, mode: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of what a relay may ignore: none for what was not asked for (3.14)."""
    wishes = {"style_weight": request.style_weight, "weirdness_constraint": request.weirdness}
    sliders = {name: weight for name, weight in wishes.items() if weight is not None}
    singer = {"vocal_gender": request.vocal_gender} if request.vocal_gender else {}
    weights = {"control_sliders": sliders, "can_control_sliders": [*sliders]} if sliders else {}
    fields: dict[str, Any] = {}
    if request.negative_tags:
        fields["negative_tags"] = request.negative_tags
    if singer or weights:
        fields["metadata"] = {**mode, **singer, **weights}
    return fields


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
    has_form = _is_code(reply, body) and bool(FORM & body.keys())
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


def _is_code(reply: Reply, body: Mapping[str, object]) -> bool:
    """Return whether an answer has a code: a text, or a number that is one (3.3, 3.9, 5.2).

    What stands in front of a gateway also repeats HTTP's number, but has no data.
    """
    code = to_text(body.get("code"))
    is_relays = reply.status < 300 or "data" in body  # noqa: PLR2004
    is_number = code in SUCCESS_CODES or (is_relays and bool(REFUSING_NUMBER.fullmatch(code)))
    return isinstance(body.get("code"), str) or (body.get("code") is not None and is_number)


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
