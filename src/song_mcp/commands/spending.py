"""`song-mcp spending`: what was spent, by month, service and model."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from song_mcp.commands.desk import Desk, at_desk, here, json_text
from song_mcp.commands.screen import table

if TYPE_CHECKING:
    from song_mcp.studio import Bill, Studio

DESCRIPTION = (
    "Show what was submitted from here by month, service and model, and what is known of its "
    "price. What nobody here knows is counted and not guessed: the bill is at the service. It asks "
    "no service and costs nothing."
)
EXAMPLE = "song-mcp spending --month 2026-11"
HEAD = ("month", "service", "model", "sent", "known cost")
KINDS = {
    "unpriced": "no price told",
    "unknown": "unknown",
    "doubtful": "in doubt",
    "uncharged": "not charged",
    "free": "free",
}
"""What else submissions can be than charged at a known price, and the heads of their columns; a
column without a number is left out."""
MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--month", type=_month, help="only this one, as 2026-11")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _month(text: str) -> str:
    if not MONTH.fullmatch(text):
        raise argparse.ArgumentTypeError("must be a year and a month, as 2026-11")
    return text


def run(options: argparse.Namespace) -> int:
    """Show what was spent; returns the exit status."""
    desk = here()
    return at_desk(desk, lambda: work(desk, options))


async def work(desk: Desk, options: argparse.Namespace) -> int:
    """Add up what the journal has, and print it."""

    async def use(studio: "Studio") -> int:
        every = await studio.bills()
        found = [bill for bill in every if options.month in {None, bill.month}]
        if options.json:
            desk.screen.show(json_text(_values(found)))
        else:
            desk.screen.show_lines("\n".join(_lines(desk, found)))
        return 0

    return await desk.with_studio(use)


def _values(found: "list[Bill]") -> dict[str, Any]:
    """Return the bills and their sum, under names that tell units."""
    from song_mcp.studio import total

    return {"bills": [_value(each) for each in found], "total": _sum(_value(total(found)))}


def _value(bill: "Bill") -> dict[str, Any]:
    values = asdict(bill)
    usd, units = values.pop("usd"), values.pop("units")
    return values | {"known_cost_usd": round(usd, 4), "units": round(units, 2)}


def _sum(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out what no sum has: units of different gateways are not of one worth."""
    left_out = {"month", "service", "model", "units"}
    return {name: value for name, value in values.items() if name not in left_out}


def _lines(desk: Desk, found: "list[Bill]") -> list[str]:
    from song_mcp.studio import total

    if not found:
        return ["Nothing was submitted from here."]
    whole = total(found)
    kinds = [name for name in KINDS if getattr(whole, name)]
    rows = [_row(each, kinds) for each in found]
    rows.append(("all", "", "", *_numbers(whole, kinds)))
    head = (*HEAD, *(KINDS[name] for name in kinds))
    lines = table(head, rows, desk.screen.columns, wide=2, numbers=range(3, len(head)))
    if whole.unpriced or whole.unknown or whole.doubtful:
        lines.append("The known cost is not all: the rest only the services' bills show.")
    if any(bill.units for bill in found):
        told = ", ".join(
            f"{bill.month} {bill.model} {bill.units:g}" for bill in found if bill.units
        )
        lines.append(f"Told in the gateway's own unit: {told}.")
    if whole.doubtful:
        lines.append("In doubt: song-mcp songs lists them, song-mcp settle ID check looks at one.")
    if whole.foreign:
        lines.append(f"Not counted: {whole.foreign} made elsewhere, which were only looked at.")
    return lines


def _row(bill: "Bill", kinds: Sequence[str]) -> tuple[str, ...]:
    from song_mcp.songs import SERVICES

    label = SERVICES[bill.service].label if bill.service in SERVICES else bill.service
    return (bill.month, label, bill.model or "unknown model", *_numbers(bill, kinds))


def _numbers(bill: "Bill", kinds: Sequence[str]) -> tuple[str, ...]:
    known = f"${bill.usd:.4g}" if bill.priced else "-"
    counts = (getattr(bill, name) for name in kinds)
    return (str(bill.submissions), known, *(str(count) if count else "-" for count in counts))
