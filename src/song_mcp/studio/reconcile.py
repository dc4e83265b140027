"""Settling a doubt: what can be found out about a submission whose answer was lost.

Nothing that costs money is sent here. Only a task that was found settles a doubt, by its id or in
the service's history; a balance is reported as a hint.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from song_mcp import messages
from song_mcp.errors import InvalidRequestError, ServiceError, SongError
from song_mcp.journal import SEARCHES, Doubt, Journal, Spent, Unsure
from song_mcp.providers import Provider, Remembering, Submission
from song_mcp.songs import SERVICES, Service, Task
from song_mcp.studio import history
from song_mcp.studio.history import Now, Trace

HALF_A_CENT = 0.005
"""Balances that differ by less, in US dollars, are taken as equal; by less than a quarter of what a
song costs, if that is less."""
MOST_LOOKS = 5
"""How many running tasks of the account are looked at; of one more it is not known."""
UNSURE: Mapping[Unsure, str] = {
    "other account": "It was sent with another key or base URL of {label} than is set now.",
    "not ordered": "The journal does not tell what else was paid at that time.",
    "elsewhere": "Task {other} of the same account was made elsewhere.",
    "in doubt": "Whether {other}, of the same account, was charged is not known either.",
    "in flight": "Task {other} of the same account was being submitted at the same time.",
    "price": "What task {other} of the same account cost is not known.",
    "refund": "Task {other} of the same account may have been refunded since.",
}
"""What keeps two balances from being compared, for each reason."""
MEANWHILE = (
    "Another task of the same account was paid or ended just now, so the balance is no hint yet: "
    "check again."
)


@dataclass(frozen=True)
class Found:
    """What a search for a task in doubt found out, in a sentence, and the task as it then stands.

    `settled` means that it is in doubt no more, `ambiguous` that other tasks may be it, `none` that
    the history does not show it, and `unknown` that nothing is known.
    """

    outcome: Literal["settled", "ambiguous", "none", "unknown"]
    task: Task
    told: str = ""


async def check(
    journal: Journal, provider: Provider | None, task: Task, now: Now
) -> tuple[Task, str]:
    """Compare what can be compared; return the task as it then stands, and what was found out.

    If the task is not found, the balance before and after is a hint. `provider` is None if there is
    no key.
    """
    found = await search(journal, provider, task, now)
    if found.outcome in {"settled", "ambiguous"}:
        return found.task, found.told
    service = SERVICES[task.service]
    if service.answers_with_audio:
        return task, messages.nothing_to_check(task.service)
    hint = await _balance_hint(journal, provider, task, service)
    return task, " ".join(filter(None, (found.told, hint, _where_to_look(service))))


async def search(journal: Journal, provider: Provider | None, task: Task, now: Now) -> Found:
    """Search for a task in doubt: first in the journal, then in the service's history.

    If exactly one task in the journal was made elsewhere at that time and asked for the same, it is
    the one in doubt, unless a service that has a history shows that more was asked for than these
    words. So is the one that the history shows with exactly what was sent. Where another
    submission of the same request is in doubt or under way, nothing is decided.
    """
    doubt = await journal.doubt_of(task.local_id)
    is_ours = doubt is not None and provider is not None and provider.account_tag == doubt.account
    asked = provider if is_ours and isinstance(provider, Remembering) else None
    elsewhere = await journal.matches(task)
    if doubt is not None and asked is not None:
        elsewhere = [each for each in elsewhere if not await _is_other(asked, doubt, each)]
    if len(elsewhere) == 1 and not await journal.has_rivals(task):
        merged = await journal.merge(task, elsewhere[0])
        same = f"Task {merged.public_id} asked for the same then"
        told = f"{same}: it is very probably this one, and is joined with it."
        return Found("settled", merged, told)
    if elsewhere:
        ids = ", ".join(other.public_id for other in elsewhere)
        told = f"More than one asked for the same then; {ids} may be this one."
        return Found("ambiguous", task, told)
    if doubt is None or asked is None:
        return Found("unknown", task)
    return await _traced(journal, doubt, await history.search(journal, asked, doubt, now))


async def _is_other(provider: Remembering, doubt: Doubt, task: Task) -> bool:
    """Tell whether a look at a task shows that it asked for something else than the doubt."""
    submission = Submission(doubt.task.service, doubt.wire["path"], doubt.wire["body"])
    try:
        likeness, _ = await provider.compare(task.task_id, submission)
    except SongError:
        return False
    return likeness == "other"


async def _traced(journal: Journal, doubt: Doubt, trace: Trace) -> Found:
    """Return what a history's trace of a task in doubt means; if it is found, write that."""
    task, service = doubt.task, doubt.task.service
    if trace.outcome == "found":
        recorded = await journal.found(task.local_id, trace.reports[0])
        if recorded is not None:
            return Found("settled", recorded.task, messages.found(recorded.task))
        return Found("ambiguous", task, messages.found_for_rivals(service, trace.ids))
    if trace.outcome == "several":
        return Found("ambiguous", task, messages.found_several(service, trace.ids))
    if trace.outcome == "possible":
        return Found("ambiguous", task, messages.found_possibly(service, trace.ids))
    if trace.outcome == "unknown":
        return Found("unknown", task, messages.history_silent(service))
    is_late = doubt.task.searches + 1 >= SEARCHES
    told = messages.not_found(service) if is_late else messages.not_found_yet(service)
    return Found("none", task, told)


def must_be_in_doubt(task: Task) -> None:
    """Raise InvalidRequestError unless the task is in doubt."""
    if task.status != "in_doubt":
        raise InvalidRequestError(
            f"{task.public_id} is {task.status}, not in doubt: there is nothing to settle. "
            "Nothing was sent or paid."
        )


async def _balance_hint(
    journal: Journal, provider: Provider | None, task: Task, service: Service
) -> str:
    """Compare the balance just before with the one now, if nothing else can explain a difference.

    What other tasks cost is read on both sides of the balance: what is charged while the balance is
    being read may or may not be in it. A task that runs even after that was not refunded before.
    """
    not_told = f"There is no balance of {service.label} to compare."
    if provider is None or task.balance_usd is None:
        return not_told
    others = await journal.spent_since(task, provider.account_tag)
    try:
        account = await provider.account()
    except ServiceError as error:
        return f"The balance could not be read: {error}"
    if account is None or account.balance_usd is None:
        return not_told
    later = await journal.spent_since(task, provider.account_tag)
    obstacle = await _obstacle(provider, others, later)
    return obstacle or _verdict(
        others.cost_usd, task.balance_usd, account.balance_usd, _price_usd(task)
    )


def _price_usd(task: Task) -> float | None:
    duration = task.request.get("duration_s")
    asked_s = float(duration) if isinstance(duration, int | float) else None
    return task.made_by.price_usd(asked_s) if task.made_by else None


async def _obstacle(provider: Provider, others: Spent, later: Spent) -> str:
    """Say why the balances cannot be compared, with what the others cost read twice; else ""."""
    if later.unsure is not None:
        return _no_hint(later.unsure, later.because_of, provider)
    if later != others:
        return MEANWHILE
    refunded = await _maybe_refunded(provider, later.running)
    return _no_hint("refund", refunded, provider) if refunded else ""


async def _maybe_refunded(provider: Provider, running: Sequence[str]) -> str:
    """Look at the tasks, which is free; return the first that may have failed by now, or ""."""
    for task_id in running[:MOST_LOOKS]:
        try:
            report = await provider.fetch(task_id)
        except SongError:
            return task_id
        if report.status == "failed":
            return task_id
    return "".join(running[MOST_LOOKS : MOST_LOOKS + 1])


def _no_hint(unsure: Unsure, other: str, provider: Provider) -> str:
    label = SERVICES[provider.service].label
    return f"{UNSURE[unsure].format(other=other, label=label)} So the balance is no hint."


def _verdict(others: float, before: float, after: float, song_usd: float | None) -> str:
    compared = (
        f"The balance was ${before:.2f} just before and is ${after:.2f} now; other songs made here "
        f"since explain ${others:.2f}."
    )
    missing = before - others - after
    slack = HALF_A_CENT if song_usd is None else min(HALF_A_CENT, song_usd / 4)
    if abs(missing) < slack:
        return f"{compared} So it was very probably not charged."
    if song_usd is not None and abs(missing - song_usd) < slack:
        return f"{compared} So it was very probably charged, unless the key was used elsewhere."
    return (
        f"{compared} ${missing:.2f} is unexplained, so the key was used elsewhere too and the "
        "balance is no hint."
    )


def _where_to_look(service: Service) -> str:
    sure = f"Only the task list on {service.label}'s own pages is certain"
    if not service.elsewhere_tool:
        return f"{sure}."
    return (
        f"{sure}: if it shows a task of that time, call {service.elsewhere_tool} with its id, "
        "then check again."
    )
