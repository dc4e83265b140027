"""Settling a doubt: what can be found out about a submission whose answer was lost.

Nothing that costs money is sent here. Only a task that was found by its id settles a doubt; a
balance is reported as a hint.
"""

from song_mcp.errors import InvalidRequestError, ServiceError
from song_mcp.journal import Journal
from song_mcp.providers import Provider
from song_mcp.songs import SERVICES, Service, Task

HALF_A_CENT = 0.005
"""Balances that differ by less, in US dollars, are taken as equal."""


async def check(journal: Journal, provider: Provider | None, task: Task) -> tuple[Task, str]:
    """Compare what can be compared; return the task as it then stands, and what was found out.

    If exactly one task in the journal was made elsewhere at that time and asked for the same, it is
    the one in doubt. Otherwise the balance before and after is a hint. `provider` is None if there
    is no key.
    """
    found = await journal.matches(task)
    if len(found) == 1 and not await journal.has_rivals(task):
        merged = await journal.merge(task, found[0])
        same = f"Task {merged.task_id} asked for the same then"
        return merged, f"{same}: it is very probably this one, and is joined with it."
    if found:
        ids = ", ".join(other.task_id for other in found)
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
    not_told = f"There is no balance of {service.label} to compare."
    if provider is None or task.balance_usd is None:
        return not_told
    try:
        account = await provider.account()
    except ServiceError as error:
        return f"The balance could not be read: {error}"
    if account is None or account.balance_usd is None:
        return not_told
    others = await journal.spent_since(task)
    return _verdict(others, task.balance_usd, account.balance_usd, service.song_usd)


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
