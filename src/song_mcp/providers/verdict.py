"""The one place that decides what a reply means for the money.

A submission counts as refused only if the service itself says no, so nothing that may have been
accepted is ever called free. An id wins over every status. The code of a known refusal wins over
the status that it has, because services send refusals with odd ones. Words do not: an error may
repeat the user's own. They count only beside a status that accepts nothing, and only if they are
not in what was sent. What no rule below knows is in doubt. Sources: `docs/providers.md` 2.6, 3.3
and 4.6 to 4.8.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from song_mcp.errors import (
    BadKeyError,
    BlockedError,
    BusyError,
    MisdirectedError,
    NoAnswerError,
    NotFoundError,
    OutOfCreditsError,
    PlanLimitError,
    RefusedError,
    ServiceError,
    StoppedError,
    TooLargeError,
    UnknownTaskError,
    UnreadableAnswerError,
)
from song_mcp.providers import echoes
from song_mcp.providers.http import Reply, doubt_advice
from song_mcp.providers.redaction import without_named
from song_mcp.providers.replies import json_in, spoken, to_object, to_text, worded
from song_mcp.songs import SERVICES, ServiceName
from song_mcp.text import quoted

SUCCESS_CODES = frozenset({"", "0", "1", "200", "ok", "success"})
QUOTA_CODES = frozenset(
    {"quota_not_enough", "insufficient_user_quota", "pre_consume_token_quota_failed"}
    | {"insufficient_quota", "insufficient_balance", "token_quota_exhausted", "used_up"}
)
STOPPED_CODES = frozenset(
    {"model_not_found", "model_price_error", "paid_upsell"}
    | {"channel_no_available_key", "channel:no_available_key", "channel:invalid_key"}
)
NO_CHANNEL = "get_channel_failed"
RETRY = "retry"
"""What the text of NO_CHANNEL has if a channel before was asked (`docs/providers.md` 3.3)."""
UNSENT_CODES = frozenset(
    {"read_request_body_failed", "bad_request_body", "build_request_failed", "model_mapping_failed"}
    | {"get_origin_task_failed", "task_origin_not_exist", "task_not_exist", "channel_not_found"}
    | {"task_channel_disable", "gen_relay_info_failed", "convert_request_failed"}
    | {"invalid_api_platform", "sensitive_words_detected", "count_token_failed"}
    | {"channel:model_mapped_error", "channel:param_override_invalid"}
    | {"channel:header_override_invalid"}
)
"""Where the gateway gives up before it asks its upstream, whatever the status (3.3)."""
UNKNOWN_TASK_CODES = frozenset({"task_not_exist"})
PASSED_ON_CODES = frozenset({"fail_to_fetch_task"})
"""The gateway's upstream said no: its status is not about our key."""
CRASHED = "panic"
"""Our own code for a gateway that crashed half-way through a request."""
DOUBTFUL_CODES = frozenset(
    {"do_request_failed", "unmarshal_response_body_failed", "10000", CRASHED}
    | {"read_response_body_failed", "copy_response_body_failed", "bad_response_status_code"}
    | {"bad_response", "bad_response_body", "empty_response"}
)
"""The service lost its own upstream's answer, or something inside broke (code 10000)."""
DOUBTFUL_WORDS = re.compile(r"time_?d?_?out|internal|duplicate|already")
"""What a code has that may be the second answer to a submission, or one from half-way."""
DOUBTFUL_TALK = re.compile(
    r"time[d-]? ?out|unavailable|gateway|internal|connection|upstream|network|deadline|\beof\b"
    r"|(?:server|system) (?:error|busy)|hang up|no (?:response|answer|reply)|econn|etimedout"
    r"|超时|逾时|上游|网络|連線|连接|連接|断开|中断|内部|系统|服务器|服务异常|网关|无响应|未响应|未知错误"
    r"|(?:status|code|http)\D{0,12}5\d\d\b"
)
"""What is told of a lost answer by an error that only a flag reports, in HTTP 2xx."""
LOST_UPSTREAM = re.compile(r"fetch failed|time[d-]? ?out|connection|socket|\beof\b|network")
"""What is told of a lost answer by the gate, with HTTP 5xx: it did ask its upstream."""
BARE = frozenset({"error", "message", "msg", "status", "path", "timestamp", "ok"})
"""All that an error in words alone has."""
SAYS_NOTHING = "error"
"""The code of an error that has none (`docs/providers.md` 3.3, 3.9)."""
DOUBTFUL_STATUSES = frozenset({408, 409, 425, 499})
"""The statuses below 500 after which a submission may have been accepted all the same."""

QUOTA_TEXTS = (
    *("insufficient credit", "insufficient balance", "insufficient quota", "insufficient user"),
    *("doesn't have enough credits", "not enough credits", "credit not enough", "out of credits"),
    *("quota is not enough", "quota not enough", "exceeded your current quota", "quota exhausted"),
    *("credits insufficient", "credits are insufficient", "no credits left", "no credit left"),
    *("balance is insufficient", "balance not enough", "balance is not enough"),
    *("quota has been exhausted", "quota is used up", "pre-consume quota failed"),
    *("额度不足", "额度已用", "额度用尽", "额度用完", "额度失败", "余额不足"),
)
NOT_FROZEN = re.compile(r"failed to freeze [\w ]{0,40}(?:quota|credit|point)")
"""What PiAPI says if it could not set the price aside, before anything begins (2.6)."""
MAINTENANCE = "service is under maintenance"
"""The whole of what PiAPI says with HTTP 503 of a stopped model (`docs/providers.md` 2.6)."""
STOPPED_TEXTS = (
    MAINTENANCE,
    "service stopped",
    "no available channel",
    "无可用渠道",
    *("price not configured", "price not set", "价格未配置", "价格未设置"),
    *("unsupported model", "model not found", "model is not available", "model is not supported"),
    *("model not supported", "模型不存在", "不支持的模型", "模型不可用"),
)
GONE = (
    r"(?:discontinued|deprecated|retired|decommissioned|sunset|removed|shut ?down|taken offline"
    r"|no longer (?:available|supported|offered))"
)
RETIRED = re.compile(
    r"(?:do not|don't) have access to (?:th(?:is|e) )?model|(?:switch|upgrade) to (?:suno )?v ?\d"
    r"|\b(?:models?|versions?|chirp-[\w.-]+|suno-v[\w.-]+|v\d[\w.+-]*|music-[a-z])[\"'`]?"
    rf"(?: [\w.\"'`/-]+){{0,3}} (?:is|are|was|were|has been|have been)(?: \w+)? {GONE}\b"
    rf"|\b{GONE} models?\b|\bmodel (?:chirp-|suno-)[\w.-]+ (?:is|has been) closed\b"
    r"|(?:模型|版本|chirp-[\w.-]+|suno-v[\w.-]+).{0,20}"
    r"(?:(?:已经?|被)(?:下线|下架|停用|停止|弃用|废弃|淘汰|关闭|退役)|不再支持|不再提供|停止服务)"
)
"""What services say of a model that exists no more (`docs/providers.md` 4.8)."""
EDGE_PAGE = re.compile(
    r"attention required! \| cloudflare|just a moment\.\.\.|sorry, you have been blocked"
    r"|cf-error-details|_cf_chl_opt|used cloudflare to restrict access|\berror code: 10\d\d"
)
"""What only Cloudflare's own pages of a request that it did not pass on have (4.8)."""
EDGE_NUMBER = re.compile(r"10\d\d")
KEY_STATES: Mapping[str, tuple[str, ...]] = {
    ": it has expired": ("令牌已过期", "token has expired", "token expired", "key has expired"),
    ": it is disabled": (
        *("令牌状态不可用", "令牌已被禁用", "令牌已禁用"),
        *("token is disabled", "token has been disabled", "key is disabled"),
    ),
    ": its account is blocked": ("用户已被封禁", "user has been banned", "user is banned"),
    " from this network": ("ip 不在令牌允许",),
    " for this model": ("令牌无权访问模型", "token has no access to model"),
}
"""What is wrong with a key that is right (`docs/providers.md` 3.3)."""
PLAN_LIMIT = re.compile(r"active task count \d+ has reached the plan limit")
UNKNOWN_TASK = re.compile(r"\b(?:no such task|(?:task|record)[ _](?:does )?not[ _](?:found|exist))")

REFUSALS_BY_STATUS: Mapping[int, type[RefusedError]] = {
    400: RefusedError,
    401: BadKeyError,
    402: OutOfCreditsError,
    403: BadKeyError,
    404: RefusedError,
    410: StoppedError,
    413: TooLargeError,
    415: RefusedError,
    422: RefusedError,
    430: BusyError,  # 3.9, like 455: two codes of the relays' own
    455: StoppedError,
}
MODERATED = re.compile(
    r"moderation|\bnsfw\b|flagged|sensitive (?:word|content)|content policy|敏感词"
)
"""What is said of a wish that is not allowed: with 403 it is that, and not the key."""
RAW = re.compile(r"[<>{}\[\]]|\"\s*[:,]")
"""What plain words do not have, but web pages and pieces of JSON do."""
WRAPPED_LEVELS = 4
"""How often an error may be wrapped as JSON inside a message."""


@dataclass(frozen=True)
class Envelope:
    """What the rules need to know of a reply, as its adapter read it.

    `task_id` is the id of a task that was made, or ""; `code` and `message` are the service's own,
    redacted. `is_service` tells whether the reply has the form of the service's replies at all,
    `is_gate` whether it is from the gate, which requests pass before anything takes submissions,
    `is_framework` whether it is the web framework's own `{"detail": ...}`, and `is_flag` whether it
    reports an error by `{"success": false}`. `is_unpaid` tells whether the answer refuses with a
    task that failed and shows no points that were taken. `kind` is what the code means, if it is
    one of the service's own table, which then decides alone.
    """

    task_id: str = ""
    code: str = ""
    message: str = ""
    is_service: bool = False
    is_gate: bool = False
    is_framework: bool = False
    is_flag: bool = False
    is_unpaid: bool = False
    kind: type[ServiceError] | None = None


def has_detail(reply: Reply) -> bool:
    """Return whether a reply is the error of a web framework (4.8).

    It is `{"detail": ...}`, has the HTTP status once more as `statusCode`, or is an error in words
    alone.
    """
    body = to_object(reply.body)
    is_bare = isinstance(body.get("error"), str) and body.keys() <= BARE
    is_bare = is_bare and reply.status in {400, 404}  # of others the network in front has such too
    repeats_status = to_text(body.get("statusCode")) == str(reply.status)
    is_framework = "detail" in body or repeats_status or is_bare
    return reply.status >= 400 and is_framework and "code" not in body  # noqa: PLR2004


def answer_of(reply: Reply) -> object:
    """Return what a reply says: its JSON, or its text if it is none."""
    return reply.body if reply.is_json else reply.text


def accepted_id(service: ServiceName, reply: Reply, envelope: Envelope) -> str:
    """Return the id of the task that a submission made.

    Raises RefusedError or one of its kind if nothing was charged, and NoAnswerError or
    UnreadableAnswerError if the service may have accepted the submission all the same.
    """
    if envelope.task_id and not _unpaid(_Case(reply, envelope)):
        return envelope.task_id
    raise refusal(service, reply, envelope)


def refusal(service: ServiceName, reply: Reply, envelope: Envelope) -> ServiceError:
    """Return the error for an answer to a submission that made no task, as far as is known."""
    case = _Case(reply, envelope)
    kind = envelope.kind or _first(SUBMISSION_RULES, case) or case.doubt
    error = _error(kind, SUBMISSION_TEXTS, service, reply, envelope)
    return cast("ServiceError", error)  # what is not found is no submission


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
        is_gate = self.envelope.is_gate and not self.repeats_what_was_sent
        is_status = self.status >= 500 or self.status in DOUBTFUL_STATUSES  # noqa: PLR2004
        return is_success or (is_status and not is_gate) or self.has_doubtful_code

    def says(self, codes: frozenset[str], texts: tuple[str, ...]) -> bool:
        """Return whether the service's code is one of these, or its words prove the same."""
        if self.envelope.is_service and self.code in codes:
            return True
        told = [*(self.codes & codes), *(text for text in texts if text in self.words)]
        return not self.is_doubtful and any(not self.is_echo(each) for each in told)

    def tells(self, texts: tuple[str, ...]) -> bool:
        """Return whether the service's own words have one of these texts."""
        return any(text in self.words and not self.is_echo(text) for text in texts)

    def is_echo(self, words: str) -> bool:
        """Return whether these words may be the user's own."""
        return echoes.folded(words) in self._sent

    @cached_property
    def _sent(self) -> str:
        return echoes.letters_of(self.reply.sent)

    @cached_property
    def repeats_what_was_sent(self) -> bool:
        return echoes.repeats(self.words, self._wish)

    @cached_property
    def _wish(self) -> object:
        """What was sent, without the names and settings that are not the user's words."""
        return echoes.wish_in(self.reply.sent)

    @property
    def tells_of_a_retired_model(self) -> bool:
        """Whether it says that the model exists no more, and not in words of the user's."""
        found = RETIRED.finditer(self.words)
        return any(
            not self.is_echo(each[0]) and not echoes.repeats(each[0], self._wish) for each in found
        )


Rule = Callable[[_Case], type[ServiceError | NotFoundError] | None]


def _unpaid(case: _Case) -> type[ServiceError] | None:
    """Know PiAPI's refusal for want of money, the one refusal with the id of a task (2.6).

    If it names no task, it is known by the words for a price that could not be set aside.
    """
    envelope = case.envelope
    if envelope.task_id:
        return OutOfCreditsError if envelope.is_unpaid and case.tells(QUOTA_TEXTS) else None
    is_own = envelope.is_service and case.is_error_code and not case.has_doubtful_code
    is_told = is_own and NOT_FROZEN.search(case.words) and case.tells(QUOTA_TEXTS)
    return OutOfCreditsError if is_told and not case.repeats_what_was_sent else None


def _known_refusal(case: _Case) -> type[ServiceError] | None:
    """Know by code or words: stopped, out of credits, too many at once."""
    if case.is_2xx and not case.envelope.is_service:
        return None
    if case.says(QUOTA_CODES, QUOTA_TEXTS):
        return OutOfCreditsError
    if case.says(STOPPED_CODES, STOPPED_TEXTS) or _is_under_maintenance(case):
        return StoppedError
    if _is_retired(case) or _has_no_channel(case):
        return StoppedError
    limits = tuple(PLAN_LIMIT.findall(case.words))
    return PlanLimitError if case.says(frozenset(), limits) else None


def _is_under_maintenance(case: _Case) -> bool:
    """Know the one documented refusal that is a doubtful status and a sentence, and no more."""
    is_all = case.words.strip().rstrip(".!") == MAINTENANCE
    return is_all and case.status == 503 and not case.is_echo(MAINTENANCE)  # noqa: PLR2004


def _is_retired(case: _Case) -> bool:
    """Know a model that exists no more by what is said of it, whatever the status (4.8).

    Beside a doubtful status that must be said in the service's own form, without a word of the
    user's, and no code may leave a doubt.
    """
    if not case.tells_of_a_retired_model:
        return False
    is_success = case.is_2xx and not case.is_error_code
    is_own = case.envelope.is_service and not case.has_doubtful_code
    return not case.is_doubtful or (is_own and not is_success and not case.repeats_what_was_sent)


def _has_no_channel(case: _Case) -> bool:
    """Know that no channel was left, unless another one was asked before."""
    is_named = case.envelope.is_service and case.code == NO_CHANNEL
    return is_named and RETRY not in case.words


def _unsent(case: _Case) -> type[ServiceError] | None:
    """Know by its code that the gateway never asked its upstream."""
    return RefusedError if case.envelope.is_service and case.code in UNSENT_CODES else None


def _too_large(case: _Case) -> type[ServiceError] | None:
    """HTTP 413 from whomever: what is too large was not taken, and so not passed on."""
    return TooLargeError if case.status == 413 and not case.has_doubtful_code else None  # noqa: PLR2004


def _unprocessable(case: _Case) -> type[ServiceError] | None:
    """HTTP 422 with JSON of any form: the fields were refused before anything was done."""
    is_checked = case.reply.status == 422 and case.reply.is_json  # noqa: PLR2004
    return RefusedError if is_checked and not case.has_doubtful_code else None


def _blocked(case: _Case) -> type[ServiceError] | None:
    """Know Cloudflare's own refusal: the request was not passed on to the service (4.8)."""
    status = case.reply.status
    if _is_of_edge(to_object(case.reply.body)):
        is_refusal = 400 <= status < 500 and status not in DOUBTFUL_STATUSES  # noqa: PLR2004
        return BlockedError if is_refusal else None
    mark = EDGE_PAGE.search(case.reply.page.casefold()) if status == 403 else None  # noqa: PLR2004
    return BlockedError if mark and not case.is_echo(mark[0]) else None


def _is_of_edge(body: Mapping[str, object]) -> bool:
    """Return whether JSON is Cloudflare's: by its flag, or the number and ray of its error."""
    number = to_text(body.get("error_code"))
    is_numbered = EDGE_NUMBER.fullmatch(number) and bool({"ray_id", "cf_ray"} & body.keys())
    return body.get("cloudflare_error") is True or bool(is_numbered)


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
    by_status = _by_status(case)
    if case.envelope.is_gate and not by_status and case.repeats_what_was_sent:
        return None
    if case.codes & PASSED_ON_CODES:
        return RefusedError if by_status else None
    if case.envelope.is_gate and case.status >= 500:  # noqa: PLR2004
        # Nothing is wrong with the request: later it may pass.
        return None if LOST_UPSTREAM.search(case.words) else StoppedError
    is_vague = case.envelope.is_flag or case.code == SAYS_NOTHING
    is_loose = (case.is_2xx and is_vague) or case.envelope.is_framework
    if is_loose and DOUBTFUL_TALK.search(case.words):
        return None
    is_within_2xx = case.is_error_code and 200 <= case.status < 300  # noqa: PLR2004
    return by_status or (RefusedError if is_within_2xx or case.envelope.is_gate else None)


def _by_status(case: _Case) -> type[RefusedError] | None:
    """Return what a status that refuses means, None for any other."""
    kind = REFUSALS_BY_STATUS.get(case.status)
    found = MODERATED.search(case.words) if kind is BadKeyError else None
    return RefusedError if found and not case.is_echo(found[0]) else kind


def _unknown(case: _Case) -> type[NotFoundError] | None:
    """A look at one task that the service does not know (`docs/providers.md` 2.6, 3.3).

    Only the id can be wrong in such a look, so 400, 404 and 410 mean the same. But the gate and a
    web framework know paths and no tasks: of theirs only the words count.
    """
    envelope = case.envelope
    if not case.is_of_one_task or not envelope.is_service:
        return None
    is_named = case.codes & UNKNOWN_TASK_CODES or UNKNOWN_TASK.search(case.words)
    is_of_tasks = not (envelope.is_gate or envelope.is_framework)
    is_missing = is_of_tasks and case.status in {400, 404, 410}
    return UnknownTaskError if is_named or is_missing else None


SUBMISSION_RULES: tuple[Rule, ...] = (
    *(_unpaid, _known_refusal, _too_large, _unsent, _redirected, _too_many),
    *(_unprocessable, _blocked, _refused),
)
LOOK_RULES: tuple[Rule, ...] = (
    *(_known_refusal, _unknown, _redirected, _too_many, _blocked, _refused),
)


def _first(rules: tuple[Rule, ...], case: _Case) -> type[ServiceError | NotFoundError] | None:
    return next((kind for rule in rules if (kind := rule(case))), None)


def _unwrapped(code: str, message: str, depth: int = WRAPPED_LEVELS) -> Iterator[tuple[str, str]]:
    """Yield code and text of an error, and of the errors that its message holds as JSON."""
    yield _code(code), message
    inner = json_in(message)[1] if depth else None
    if inner is None:
        return
    for value in (inner, to_object(inner).get("error"), to_object(inner).get("detail")):
        if isinstance(value, dict | list):
            own = to_text(to_object(value).get("code"))
            yield from _unwrapped(own, spoken(value), depth - 1)


def _code(code: str) -> str:
    return code.strip().casefold().removeprefix("local:")


# The messages ---------------------------------------------------------------------------------

SUBMISSION_TEXTS: Mapping[type[Exception], str] = {
    BadKeyError: "{label} does not accept the key{state}{said}. Nothing was charged. Check {key}.",
    OutOfCreditsError: "The account or key at {label} has no credits left{said}. Nothing was "
    "charged. Top up {shop}, or raise the key's own quota, then ask again.",
    PlanLimitError: "{label} makes no more songs at the same time on this plan{said}. Nothing was "
    "charged. Wait until a running song is done (list_songs shows them), then ask again.",
    BusyError: "{label} is rate-limiting requests{said}. Nothing was charged. Ask again {later}.",
    StoppedError: "{label} does not offer this model now or is under maintenance{said}. Nothing "
    "was charged. Try another model, or ask again later.",
    MisdirectedError: "{label} answered with a redirect (HTTP {status}), which is not followed "
    "with a key. Nothing was charged. Check {base_url}.",
    BlockedError: "Cloudflare, which stands in front of {label}, did not let the request through "
    "(HTTP {status}). Nothing was charged. Ask again later or from another network.",
    TooLargeError: "{label} does not take a request of this size{said}. Nothing was charged. "
    "Shorten the lyrics or the description, then ask again.",
    RefusedError: "{label} refused the request{said}. Nothing was charged. Change the request, "
    "then ask again.",
    NoAnswerError: "{label} failed while it took the request{said}. {advice}",
    UnreadableAnswerError: "{label} gave no usable answer, but {what} (HTTP {status}{heard}). "
    "{advice}",
}
UNKNOWN_TASK_TEXT = (
    "{label} knows no task {task}{said}. Check the id; tasks of another account cannot be seen."
)
LOOK_TEXTS: Mapping[type[Exception], str] = {
    BadKeyError: "{label} does not accept the key{state}{said}. {unharmed} Check {key}.",
    OutOfCreditsError: "{label} could not check {subject}: the account or key has no credits "
    "left{said}. {unharmed} Top up {shop}, or raise the key's own quota.",
    PlanLimitError: "{label} could not check {subject}: the plan's limit is reached{said}. "
    "{unharmed} Ask again later.",
    BusyError: "{label} is rate-limiting requests{said}. {unharmed} Ask again {later}.",
    StoppedError: "{label} is under maintenance or does not offer this model now{said}. "
    "{unharmed} Ask again later.",
    MisdirectedError: "{label} answered with a redirect (HTTP {status}), which is not followed "
    "with a key. {unharmed} Check {base_url}.",
    BlockedError: "Cloudflare, which stands in front of {label}, did not let the request through "
    "(HTTP {status}). {unharmed} Ask again later or from another network.",
    TooLargeError: "{label} does not take a request of this size{said}. {unharmed}",
    RefusedError: "{label} refused to check {subject}{said}. {unharmed} Ask again later.",
    NoAnswerError: "{label} failed to answer{said}. {unharmed} Ask again later.",
    UnreadableAnswerError: "{label} gave no usable answer, but {what} (HTTP {status}{heard}). "
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
    text = (
        texts[kind]
        .format(
            label=known.label,
            key=known.key_variable,
            base_url=known.base_url_variable,
            shop=known.shop,
            status=reply.status,
            said=_said(envelope, reply, [f"HTTP {reply.status}"] * (kind is NoAnswerError)),
            state=_state(_Case(reply, envelope)),
            what=_what(envelope, reply),
            heard=f", it said {quoted(words)}" if (words := worded(envelope.message)) else "",
            later=_later(reply.retry_after_s),
            task=quoted(task_id),
            subject="the task" if task_id else "anything",
            unharmed=_unharmed(task_id),
            advice=doubt_advice(known),
        )
        .rstrip()
    )
    if issubclass(kind, BusyError):
        return kind(text, retry_after_s=reply.retry_after_s)
    if issubclass(kind, NoAnswerError):
        return kind(text, charged="no" if texts is LOOK_TEXTS else "unknown")
    return kind(text)


def _said(envelope: Envelope, reply: Reply, before: list[str]) -> str:
    """Quote the innermost words of the service, or else its code or the start of the body."""
    words = worded(envelope.message) or envelope.code or _plain_words(reply)
    parts = [*before, f"it said {quoted(words)}"] if words else before
    return f" ({', '.join(parts)})" if parts else ""


def _state(case: _Case) -> str:
    """Say what is wrong with a key, if that is told."""
    return next((state for state, texts in KEY_STATES.items() if case.tells(texts)), "")


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
    return "in a minute" if retry_after_s is None else f"in {max(1, math.ceil(retry_after_s))} s"


def _unharmed(task_id: str) -> str:
    task = f"task {quoted(task_id)}" if task_id else "any task"
    return f"Looking cost nothing and changed nothing about {task}."
