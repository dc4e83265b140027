"""The one place that decides what a reply means for the money.

A submission counts as refused only if the service itself says no, so nothing that may have been
accepted is ever called free. An id wins over every status. The code of a known refusal wins over
the status that it has, because services send refusals with odd ones. Words do not: an error may
repeat the user's own. They count only beside a status that accepts nothing, and only if they are
not in what was sent. What no rule below knows is in doubt. Sources: `docs/providers.md` 2.6, 3.3
and 4.6.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from song_mcp.errors import (
    BadKeyError,
    BusyError,
    MisdirectedError,
    NoAnswerError,
    NotFoundError,
    OutOfCreditsError,
    PlanLimitError,
    RefusedError,
    ServiceError,
    StoppedError,
    UnknownTaskError,
    UnreadableAnswerError,
)
from song_mcp.providers import echoes
from song_mcp.providers.http import DOUBT_ADVICE, Reply
from song_mcp.providers.redaction import without_named
from song_mcp.songs import SERVICES, ServiceName
from song_mcp.text import quoted

SUCCESS_CODES = frozenset({"", "0", "1", "200", "ok", "success"})
QUOTA_CODES = frozenset(
    {"quota_not_enough", "insufficient_user_quota", "pre_consume_token_quota_failed"}
)
STOPPED_CODES = frozenset({"model_not_found"})
UNKNOWN_TASK_CODES = frozenset({"task_not_exist"})
PASSED_ON_CODES = frozenset({"fail_to_fetch_task"})
"""The gateway's upstream said no: its status is not about our key."""
CRASHED = "panic"
"""Our own code for a gateway that crashed half-way through a request."""
DOUBTFUL_CODES = frozenset(
    {"do_request_failed", "unmarshal_response_body_failed", "10000", CRASHED}
)
"""The service lost its own upstream's answer, or something inside broke (code 10000)."""
DOUBTFUL_WORDS = re.compile(r"time_?d?_?out|internal|duplicate|already")
"""What a code has that may be the second answer to a submission, or one from half-way."""
DOUBTFUL_STATUSES = frozenset({408, 409, 425, 499})
"""The statuses below 500 after which a submission may have been accepted all the same."""

QUOTA_TEXTS = (
    "insufficient credits",
    "doesn't have enough credits",
    "quota is not enough",
    "额度不足",
)
MAINTENANCE = "service is under maintenance"
"""The whole of what PiAPI says with HTTP 503 of a stopped model (`docs/providers.md` 2.6)."""
STOPPED_TEXTS = (
    MAINTENANCE,
    "service stopped",
    "no available channel",
    "无可用渠道",
)
PLAN_LIMIT = re.compile(r"active task count \d+ has reached the plan limit")
UNKNOWN_TASK = re.compile(r"\b(?:no such task|(?:task|record)[ _](?:does )?not[ _](?:found|exist))")

REFUSALS_BY_STATUS: Mapping[int, type[RefusedError]] = {
    400: RefusedError,
    401: BadKeyError,
    402: OutOfCreditsError,
    403: BadKeyError,
    404: RefusedError,
    422: RefusedError,
}
RAW = re.compile(r"[<>{}\[\]]|\"\s*[:,]")
"""What plain words do not have, but web pages and pieces of JSON do."""
WRAPPED_LEVELS = 3
"""How often an error may be wrapped as JSON inside a message."""


@dataclass(frozen=True)
class Envelope:
    """What the rules need to know of a reply, as its adapter read it.

    `task_id` is a usable id or ""; `code` and `message` are the service's own, redacted.
    `is_service` tells whether the reply has the form of the service's replies at all, and
    `is_gate` whether it is from the gate, which requests pass before anything takes submissions.
    """

    task_id: str = ""
    code: str = ""
    message: str = ""
    is_service: bool = False
    is_gate: bool = False


def accepted_id(service: ServiceName, reply: Reply, envelope: Envelope) -> str:
    """Return the id of the task that a submission made.

    Raises RefusedError or one of its kind if nothing was charged, and NoAnswerError or
    UnreadableAnswerError if the service may have accepted the submission all the same.
    """
    if envelope.is_service and envelope.task_id:
        return envelope.task_id
    case = _Case(reply, envelope)
    kind = _first(SUBMISSION_RULES, case) or case.doubt
    raise _error(kind, SUBMISSION_TEXTS, service, reply, envelope)


def check_look(
    service: ServiceName, reply: Reply, envelope: Envelope, *, task_id: str = ""
) -> None:
    """Raise the error for a look that failed; `task_id` is the one task looked at, or "".

    Raises UnknownTaskError if the service does not know that task, else a ServiceError.
    """
    case = _Case(reply, envelope, is_of_one_task=bool(task_id))
    if case.is_fine:
        return
    kind = _first(LOOK_RULES, case) or case.doubt
    raise _error(kind, LOOK_TEXTS, service, reply, envelope, task_id)


def unknown_task(service: ServiceName, task_id: str) -> UnknownTaskError:
    """Return the error for a task that the service does not know, if it says nothing else."""
    label = SERVICES[service].label
    return UnknownTaskError(UNKNOWN_TASK_TEXT.format(label=label, task=quoted(task_id), said=""))


# The rules -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Case:
    reply: Reply
    envelope: Envelope
    is_of_one_task: bool = False

    @property
    def status(self) -> int:
        """The HTTP status, or the body's code if HTTP says 2xx or the code is a 5xx."""
        code = self.envelope.code
        if not self.envelope.is_service or not re.fullmatch("[45][0-9][0-9]", code):
            return self.reply.status
        return int(code) if self.is_2xx or code.startswith("5") else self.reply.status

    @property
    def is_2xx(self) -> bool:
        return 200 <= self.reply.status < 300  # noqa: PLR2004 - HTTP's own numbers

    @property
    def is_error_code(self) -> bool:
        return self.envelope.code.casefold() not in SUCCESS_CODES

    @property
    def is_fine(self) -> bool:
        return self.is_2xx and self.envelope.is_service and not self.is_error_code

    @property
    def doubt(self) -> type[ServiceError]:
        """The error if no rule knows the reply: it has the service's form, or is not usable."""
        is_own = self.envelope.is_service and not self.is_fine
        return NoAnswerError if is_own else UnreadableAnswerError

    @property
    def code(self) -> str:
        """The service's own code, which no words of the user's can be part of."""
        return _code(self.envelope.code)

    @cached_property
    def codes(self) -> frozenset[str]:
        """The code, and those of errors wrapped inside the message."""
        return frozenset(code for code, _ in _unwrapped(self.envelope.code, self.envelope.message))

    @cached_property
    def words(self) -> str:
        """All that was said, for searching, with the body of an error that is not JSON."""
        texts = [text for _, text in _unwrapped(self.envelope.code, self.envelope.message)]
        if not self.reply.is_json and not self.is_2xx:
            texts.append(self.reply.text)
        return "\n".join(texts).casefold().replace("\u2019", "'")

    @property
    def has_doubtful_code(self) -> bool:
        """Whether a code, also one inside words, leaves open what became of the submission."""
        is_doubtful = any(DOUBTFUL_WORDS.search(code) for code in self.codes)
        return is_doubtful or bool(self.codes & DOUBTFUL_CODES)

    @property
    def is_doubtful(self) -> bool:
        """Whether the submission may have been accepted, whatever the words say."""
        is_success = self.is_2xx and not self.is_error_code
        is_status = self.status >= 500 or self.status in DOUBTFUL_STATUSES  # noqa: PLR2004
        return is_success or is_status or self.has_doubtful_code

    def says(self, codes: frozenset[str], texts: tuple[str, ...]) -> bool:
        """Return whether the service's code is one of these, or its words prove the same."""
        if self.envelope.is_service and self.code in codes:
            return True
        told = [*(self.codes & codes), *(text for text in texts if text in self.words)]
        return not self.is_doubtful and any(not self.is_echo(each) for each in told)

    def is_echo(self, words: str) -> bool:
        """Return whether these words may be the user's own."""
        return echoes.folded(words) in self._sent

    @cached_property
    def _sent(self) -> str:
        return echoes.letters_of(self.reply.sent)

    @property
    def repeats_what_was_sent(self) -> bool:
        return echoes.repeats(self.words, self.reply.sent)


Rule = Callable[[_Case], type[ServiceError | NotFoundError] | None]


def _known_refusal(case: _Case) -> type[ServiceError] | None:
    """Know by code or words: stopped, out of credits, too many at once."""
    if case.is_2xx and not case.envelope.is_service:
        return None
    if case.says(QUOTA_CODES, QUOTA_TEXTS):
        return OutOfCreditsError
    if case.says(STOPPED_CODES, STOPPED_TEXTS) or _is_under_maintenance(case):
        return StoppedError
    limits = tuple(PLAN_LIMIT.findall(case.words))
    return PlanLimitError if case.says(frozenset(), limits) else None


def _is_under_maintenance(case: _Case) -> bool:
    """Know the one documented refusal that is a doubtful status and a sentence, and no more."""
    is_all = case.words.strip().rstrip(".!") == MAINTENANCE
    return is_all and case.status == 503 and not case.is_echo(MAINTENANCE)  # noqa: PLR2004


def _redirected(case: _Case) -> type[ServiceError] | None:
    return MisdirectedError if 300 <= case.reply.status < 400 else None  # noqa: PLR2004


def _too_many(case: _Case) -> type[ServiceError] | None:
    """HTTP 429, with or without an envelope: what limits requests did not let this one pass."""
    return BusyError if case.status == 429 else None  # noqa: PLR2004


def _refused(case: _Case) -> type[ServiceError] | None:
    """A refusal in the service's own form: by status, or an error code within HTTP 2xx.

    The status of a network in front of the service proves no refusal, nor does an error inside the
    service or its upstream (5xx). gpt.ge's gate does, whatever the status: what it refuses never
    reached the task layer, which makes and charges tasks. But a crash reported in the gate's form
    may have happened after the task layer took the request, and a lost reply of the upstream
    certainly did: both stay in doubt. So does what has the gate's form but repeats what was sent,
    for the gate looks at no wish.
    """
    if not case.envelope.is_service or case.has_doubtful_code:
        return None
    by_status = REFUSALS_BY_STATUS.get(case.status)
    if case.envelope.is_gate and not by_status and case.repeats_what_was_sent:
        return None
    if case.codes & PASSED_ON_CODES:
        return RefusedError if by_status else None
    if case.envelope.is_gate and case.status >= 500:  # noqa: PLR2004
        return StoppedError  # nothing about the request is wrong: later it may pass
    is_within_2xx = case.is_error_code and 200 <= case.status < 300  # noqa: PLR2004
    return by_status or (RefusedError if is_within_2xx or case.envelope.is_gate else None)


def _unknown(case: _Case) -> type[NotFoundError] | None:
    """A look at one task that the service does not know (`docs/providers.md` 2.6, 3.3).

    Only the id can be wrong in such a look, so 400 and 404 mean the same.
    """
    if not case.is_of_one_task or not case.envelope.is_service:
        return None
    is_named = case.codes & UNKNOWN_TASK_CODES or UNKNOWN_TASK.search(case.words)
    return UnknownTaskError if is_named or case.status in {400, 404} else None


SUBMISSION_RULES: tuple[Rule, ...] = (_known_refusal, _redirected, _too_many, _refused)
LOOK_RULES: tuple[Rule, ...] = (_known_refusal, _unknown, _redirected, _too_many, _refused)


def _first(rules: tuple[Rule, ...], case: _Case) -> type[ServiceError | NotFoundError] | None:
    return next((kind for rule in rules if (kind := rule(case))), None)


def _unwrapped(code: str, message: str, depth: int = WRAPPED_LEVELS) -> Iterator[tuple[str, str]]:
    """Yield code and text of an error, and of the errors that its message holds as JSON."""
    yield _code(code), message
    inner = _object_in(message) if depth else None
    if inner is None:
        return
    for value in (inner, inner.get("error")):
        if isinstance(value, dict):
            yield from _unwrapped(_str(value.get("code")), _str(value.get("message")), depth - 1)


def _code(code: str) -> str:
    return code.strip().casefold().removeprefix("local:")


def _object_in(message: str) -> dict[str, object] | None:
    try:
        inner = json.loads(message[message.index("{") : message.rindex("}") + 1])
    except (ValueError, RecursionError):
        return None
    return inner if isinstance(inner, dict) else None


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""


# The messages ---------------------------------------------------------------------------------

SUBMISSION_TEXTS: Mapping[type[Exception], str] = {
    BadKeyError: "{label} does not accept the key{said}. Nothing was charged. Check {key}.",
    OutOfCreditsError: "The account or key at {label} has no credits left{said}. Nothing was "
    "charged. Top up {shop}, then ask again.",
    PlanLimitError: "{label} makes no more songs at the same time on this plan{said}. Nothing was "
    "charged. Wait until a running song is done (list_songs shows them), then ask again.",
    BusyError: "{label} is rate-limiting requests{said}. Nothing was charged. Ask again {later}.",
    StoppedError: "{label} has stopped this model or is under maintenance{said}. Nothing was "
    "charged. Try another model, or ask again later.",
    MisdirectedError: "{label} answered with a redirect (HTTP {status}), which is not followed "
    "with a key. Nothing was charged. Check {base_url}.",
    RefusedError: "{label} refused the request{said}. Nothing was charged. Change the request, "
    "then ask again.",
    NoAnswerError: f"{{label}} failed while it took the request{{said}}. {DOUBT_ADVICE}",
    UnreadableAnswerError: "{label} gave no usable answer, but {what} (HTTP {status}). "
    f"{DOUBT_ADVICE}",
}
UNKNOWN_TASK_TEXT = (
    "{label} knows no task {task}{said}. Check the id; tasks of another account cannot be seen."
)
LOOK_TEXTS: Mapping[type[Exception], str] = {
    BadKeyError: "{label} does not accept the key{said}. {unharmed} Check {key}.",
    OutOfCreditsError: "{label} could not check {subject}: the account or key has no credits "
    "left{said}. {unharmed} Top up {shop}.",
    PlanLimitError: "{label} could not check {subject}: the plan's limit is reached{said}. "
    "{unharmed} Ask again later.",
    BusyError: "{label} is rate-limiting requests{said}. {unharmed} Ask again {later}.",
    StoppedError: "{label} is under maintenance or has stopped this model{said}. {unharmed} Ask "
    "again later.",
    MisdirectedError: "{label} answered with a redirect (HTTP {status}), which is not followed "
    "with a key. {unharmed} Check {base_url}.",
    RefusedError: "{label} refused to check {subject}{said}. {unharmed} Ask again later.",
    NoAnswerError: "{label} failed to answer{said}. {unharmed} Ask again later.",
    UnreadableAnswerError: "{label} gave no usable answer, but {what} (HTTP {status}). "
    "{unharmed} Ask again later, and check {base_url} if this stays.",
    UnknownTaskError: UNKNOWN_TASK_TEXT,
}


def _error(
    kind: type[ServiceError | NotFoundError],
    texts: Mapping[type[Exception], str],
    service: ServiceName,
    reply: Reply,
    envelope: Envelope,
    task_id: str = "",
) -> ServiceError | NotFoundError:
    known = SERVICES[service]
    text = texts[kind].format(
        label=known.label,
        key=known.key_variable,
        base_url=known.base_url_variable,
        shop=known.shop,
        status=reply.status,
        said=_said(envelope, reply, [f"HTTP {reply.status}"] * (kind is NoAnswerError)),
        what=_what(envelope, reply),
        later=_later(reply.retry_after_s),
        task=quoted(task_id),
        subject="the task" if task_id else "anything",
        unharmed=_unharmed(task_id),
    )
    if issubclass(kind, BusyError):
        return kind(text, retry_after_s=reply.retry_after_s)
    if issubclass(kind, NoAnswerError):
        return kind(text, charged="no" if texts is LOOK_TEXTS else "unknown")
    return kind(text)


def _said(envelope: Envelope, reply: Reply, before: list[str]) -> str:
    """Quote the innermost words of the service, or else its code or the start of the body."""
    texts = [text for _, text in _unwrapped(envelope.code, envelope.message) if text.strip()]
    words = texts[-1] if texts else envelope.code or _plain_words(reply)
    parts = [*before, f"it said {quoted(words)}"] if words else before
    return f" ({', '.join(parts)})" if parts else ""


def _what(envelope: Envelope, reply: Reply) -> str:
    if envelope.is_service:
        return "an answer without a task id"
    if reply.is_json:
        return "JSON of another form"
    if not reply.text:
        return "nothing, or far too much"
    if reply.text.startswith("<"):
        return "a web page"
    words = _plain_words(reply)
    return f"the text {quoted(words)}" if words else "something broken or cut off"


def _plain_words(reply: Reply) -> str:
    """Return the body if it is plain words, else "": pieces of other bodies may hold secrets."""
    return "" if RAW.search(reply.text) else without_named(reply.text)


def _later(retry_after_s: float | None) -> str:
    return "in a minute" if retry_after_s is None else f"in {max(1.0, retry_after_s):.0f} s"


def _unharmed(task_id: str) -> str:
    task = f"task {quoted(task_id)}" if task_id else "any task"
    return f"Looking cost nothing and changed nothing about {task}."
