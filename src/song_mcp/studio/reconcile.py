"""Settling a doubt: what can be found out about a submission whose answer was lost.

Nothing that costs money is sent here. Only a task that was found by its id settles a doubt; a
balance is reported as a hint.
"""

from collections.abc import Mapping, Sequence

from song_mcp.errors import InvalidRequestError, ServiceError, SongError
from song_mcp.journal import Journal, Spent, Unsure
from song_mcp.providers import Provider
from song_mcp.songs import SERVICES, Service, Task

HALF_A_CENT = 0.005
"""Balances that differ by less, in US dollars, are taken as equal."""
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


async def check(journal: Journal, provider: Provider | None, task: Task) -> tuple[Task, str]:
    """Compare what can be compared; return the task as it then stands, and what was found out.

    If exactly one task in the journal was made elsewhere at that time and asked for the same, it is
    the one in doubt. Otherwise the balance before and after is a hint. `provider` is None if there
    is no key.
    """
    found = await journal.matches(task)
    if len(found) == 1 and not await journal.has_rivals(task):
        merged = await journal.merge(task, found[0])
        same = f"Task {merged.public_id} asked for the same then"
        return merged, f"{same}: it is very probably this one, and is joined with it."
    if found:
        ids = ", ".join(other.public_id for other in found)
        return task, f"More than one asked for the same then; {ids} may be this one."
    service = SERVICES[task.service]
    hint = await _balance_hint(journal, provider, task, service)
    return task, f"{hint} {_where_to_look(service)}"


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
        others.cost_usd, task.balance_usd, account.balance_usd, service.song_usd
    )


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
    if abs(missing) < HALF_A_CENT:
        return f"{compared} So it was very probably not charged."
    if song_usd is not None and abs(missing - song_usd) < HALF_A_CENT:
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
