"""What was spent: submissions added up by month, service and model, claiming only what is known."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce

from song_mcp.journal import Submitted
from song_mcp.songs import ServiceName

DOUBTFUL = frozenset({"in_doubt", "abandoned"})
"""The statuses of submissions of which nobody here knows whether they were accepted."""


@dataclass(frozen=True)
class Bill:
    """The submissions to one model in one month, "2026-11" of this machine's own time.

    `submissions` counts all that were made here. Each is one of those that were `priced` (charged,
    `usd` dollars in all), `unpriced` (charged, but nobody tells the price in dollars; `units` are
    the gateway's own), `unknown` (whether they are charged is not known, or not yet), `doubtful`
    (not even whether they were accepted is known), `uncharged` or `free`. `foreign` counts tasks
    that were made elsewhere, and are in none of the others.
    """

    month: str
    service: ServiceName
    model: str
    submissions: int = 0
    priced: int = 0
    usd: float = 0.0
    unpriced: int = 0
    units: float = 0.0
    unknown: int = 0
    doubtful: int = 0
    uncharged: int = 0
    free: int = 0
    foreign: int = 0


def bills(every: Iterable[Submitted]) -> list[Bill]:
    """Return the bills of all submissions, the newest month first."""
    found: dict[tuple[str, ServiceName, str], Bill] = {}
    for each in every:
        key = (f"{each.at.astimezone():%Y-%m}", each.service, each.model)
        found[key] = _added(found.get(key, Bill(*key)), each)
    by_name = sorted(found.values(), key=lambda bill: (bill.service, bill.model))
    return sorted(by_name, key=lambda bill: bill.month, reverse=True)


def total(every: Iterable[Bill]) -> Bill:
    """Return the sum of several bills."""
    return reduce(_sum, every, Bill("", "", ""))


def _added(bill: Bill, one: Submitted) -> Bill:
    if one.is_foreign:
        return replace(bill, foreign=bill.foreign + 1)
    kind = _kind(one)
    counts = {"submissions": bill.submissions + 1, kind: getattr(bill, kind) + 1}
    usd = one.cost_usd or 0.0 if kind == "priced" else 0.0
    units = one.cost_units or 0.0 if kind == "unpriced" else 0.0
    return replace(bill, usd=bill.usd + usd, units=bill.units + units, **counts)


def _kind(one: Submitted) -> str:
    """Return what is known of the price: the name of the count in a bill."""
    if one.is_free:
        return "free"
    if one.status in DOUBTFUL:
        return "doubtful"
    if one.charged != "yes":
        return "uncharged" if one.charged == "no" else "unknown"
    return "unpriced" if one.cost_usd is None else "priced"


def _sum(one: Bill, other: Bill) -> Bill:
    counts = {
        name: getattr(one, name) + getattr(other, name)
        for name in vars(one)
        if name not in {"month", "service", "model"}
    }
    return replace(one, **counts)
