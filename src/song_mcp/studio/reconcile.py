"""Settling a doubt: what can be found out about a submission whose answer was lost.

Invariant: nothing is sent here that costs money, and only a task found by its id settles a doubt;
a balance is told as the hint that it is.
"""

from song_mcp.errors import InvalidRequestError, ServiceError
from song_mcp.journal import Journal
from song_mcp.providers import Provider
from song_mcp.songs import SERVICE_LABELS, Task

SONG_USD = 0.05
"""What a generation costs at PiAPI (`docs/providers.md` 1.5)."""
CENT = 0.005
"""Balances that differ by less, in US dollars, are taken as equal."""


async def check(journal: Journal, provider: Provider | None, task: Task) -> tuple[Task, str]:
    """Compare what can be compared; gives the task as it then stands, and what was found out.

    A task made elsewhere that asked for the same at that time, once fetched by its id, is what
    became of it; the balance before and after is a hint. `provider` None: there is no key.
    """
    found = await journal.matches(task)
    if len(found) == 1 and not await journal.has_rivals(task):
        merged = await journal.merge(task, found[0])
        same = f"Task {merged.task_id} asked for the same then"
        return merged, f"{same}: it is very probably this one, and is joined with it."
    if found:
        ids = ", ".join(other.task_id for other in found)
        return task, f"More than one asked for the same then; {ids} may be this one."
    return task, await _balance_hint(journal, provider, task)


def must_be_in_doubt(task: Task) -> None:
    """Raise InvalidRequestError unless the task is in doubt."""
    if task.status != "in_doubt":
        raise InvalidRequestError(
            f"{task.public_id} is {task.status}, not in doubt: there is nothing to settle. "
            "Nothing was sent or paid."
        )


async def _balance_hint(journal: Journal, provider: Provider | None, task: Task) -> str:
    label = SERVICE_LABELS[task.service]
    if provider is None or task.balance_usd is None:
        return f"{_not_told(label)} {_where_to_look(label)}"
    try:
        account = await provider.account()
    except ServiceError as error:
        return f"The balance could not be read: {error} {_where_to_look(label)}"
    if account is None or account.balance_usd is None:
        return f"{_not_told(label)} {_where_to_look(label)}"
    others = await journal.spent_since(task)
    missing = task.balance_usd - others - account.balance_usd
    verdict = _verdict(missing, others, task.balance_usd, account.balance_usd)
    return f"{verdict} {_where_to_look(label)}"


def _verdict(missing: float, others: float, before: float, after: float) -> str:
    compared = (
        f"The balance was ${before:.2f} just before and is ${after:.2f} now; other songs made here "
        f"since explain ${others:.2f}."
    )
    if abs(missing) < CENT:
        return f"{compared} So it was very probably not charged."
    if abs(missing - SONG_USD) < CENT:
        return f"{compared} So it was very probably charged, unless the key was used elsewhere."
    return f"{compared} ${missing:.2f} stay unexplained: the key is used elsewhere too, no hint."


def _not_told(label: str) -> str:
    return f"{label} tells nothing that could be compared from here."


def _where_to_look(label: str) -> str:
    return (
        f"The task list on {label}'s own pages is sure: where it shows a task of that time, call "
        "get_task (or fetch_suno_task) with its id, then check again."
    )
