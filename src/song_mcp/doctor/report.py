"""The findings as text within 80 columns, in plain ASCII but for names and paths, and as JSON."""

import json
import textwrap
from collections.abc import Sequence

from song_mcp import __version__
from song_mcp.doctor.finding import Finding

WIDTH = 80
MARKS = {"ok": "ok  ", "note": "note", "wrong": "FIX "}
NAME = 15


def as_text(findings: Sequence[Finding]) -> str:
    """Return a line or more for each finding, what to do below it, and the sum."""
    lines = [line for each in findings for line in _lines(each)]
    faults = sum(each.standing == "wrong" for each in findings)
    said = {0: "Nothing is wrong.", 1: "One thing is to be done."}
    return "\n".join([*lines, "", said.get(faults, f"{faults} things are to be done.")]) + "\n"


def _lines(found: Finding) -> list[str]:
    begin = f"{MARKS[found.standing]} {found.what:<{NAME}} "
    lines = _wrapped(found.says, begin)
    return [*lines, *_wrapped(found.do, f"{'':<{len(begin)}}-> ")] if found.do else lines


def _wrapped(text: str, begin: str) -> list[str]:
    """Return lines of at most 80 columns; a path or command that is longer stays in one piece."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=begin,
        subsequent_indent=" " * len(begin),
        break_long_words=False,
        break_on_hyphens=False,
    )


def as_json(findings: Sequence[Finding]) -> str:
    """Return one JSON object; its form is in `docs/commands.md`."""
    faults = sum(each.standing == "wrong" for each in findings)
    checks = [
        {"what": each.what, "status": each.standing, "says": each.says, "do": each.do or None}
        for each in findings
    ]
    told = {"version": __version__, "faults": faults, "checks": checks}
    return json.dumps(told, indent=2) + "\n"
