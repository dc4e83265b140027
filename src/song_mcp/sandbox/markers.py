"""Markers: `[[name]]` or `[[name:argument]]` in a text makes the sandbox misbehave on purpose.

Invariant: what a marker does is a row of a table, never a branch, and depends on nothing but the
request and how often its task was looked at. A marker that the service's table does not know is
refused with 400, so that a misspelt one cannot pass for `ok`. Names are read without regard to
case, blanks standing for hyphens.

Rows that refuse a submission do so before anything is accepted or paid; with the argument
`accepted` (`[[html-502:accepted]]`) the task is made first and the answer is lost all the same.
Every row that refuses or spoils the answer to a submission has a twin `fetch-<name>`, which does
that to the first looks at the task instead: `[[fetch-html-502:2]]` the first two, without a number
the first one.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from starlette.responses import Response

from song_mcp.sandbox.tasks import Json, Stage, Task
from song_mcp.sandbox.wire import Cut, Held, Reset, bad_gateway, half_of, web_page

_MARKER = re.compile(r"\[\[([^\[\]:]+)(?::([^\[\]]*))?\]\]")
ACCEPTED = "accepted"

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class View:
    """What a shape sees beside the JSON of the task."""

    task: Task
    stage: Stage
    origin: str
    """Scheme, host and port under which the client reached the sandbox."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one marker changes; each field is one moment of a task's life."""

    refuse: Callable[[str], Response] | None = None
    """Argument to answer, in place of accepting."""
    spoil: Callable[[Response, str], Response] | None = None
    """The answer to an accepted submission and the argument, to what is sent."""
    new_id: Callable[[str], str] | None = None
    """A UUID to the id the task gets."""
    fails: bool = False
    """Ends in failure."""
    looks: int = 0
    """How many looks find the task unfinished, when no argument says so; 0: time alone counts."""
    shape: Callable[[Json, View], Json] | None = None
    """The task as JSON to the task as shown."""
    fetch: Callable[[Response, int, int], Response] | None = None
    """The answer to a look, which look it is, and how many to spoil; to what is sent."""
    batch: Callable[[list[Json], str], list[Json] | None] | None = None
    """The tasks of a batch and the id of this one, to the tasks shown."""
    media: Callable[[Response], Response] | None = None
    """The answer with a file, to what is sent."""
    choices: tuple[str, ...] = ()
    """Arguments beside numbers."""


Table = Mapping[str, Row]


def _name(written: str) -> str:
    return "-".join(written.casefold().split())


def find(texts: Iterable[str]) -> dict[str, str]:
    """Give all markers of some texts, name to argument."""
    found = (match for text in texts for match in _MARKER.finditer(text))
    return {_name(match[1]): (match[2] or "").strip() for match in found}


def without(text: str) -> str:
    """Take the markers out of a text."""
    return _MARKER.sub("", text).strip()


def _understood(row: Row, argument: str) -> bool:
    if not argument or re.fullmatch(r"\d{1,6}(\.\d{1,3})?", argument):
        return True
    return argument in row.choices or (argument == ACCEPTED and row.refuse is not None)


def unknown(table: Table, marks: Mapping[str, str]) -> str | None:
    """Give the first marker that a table does not know or whose argument says nothing to it."""
    for name, argument in marks.items():
        if name not in table or not _understood(table[name], argument):
            return f"{name}:{argument}" if argument else name
    return None


def parts(
    table: Table, marks: Mapping[str, str], pick: Callable[[Row], Part | None]
) -> list[tuple[Part, str]]:
    """Give one field of each marker that has it, with the marker's argument."""
    picked = ((pick(table[name]), argument) for name, argument in marks.items())
    return [(part, argument) for part, argument in picked if part is not None]


def refusal(table: Table, marks: Mapping[str, str], *, accepted: bool) -> Response | None:
    """Give the answer of the first marker that refuses before, or after, acceptance."""
    for refuse, argument in parts(table, marks, lambda row: row.refuse):
        if (argument == ACCEPTED) is accepted:
            return refuse("" if accepted else argument)
    return None


def spoilt(table: Table, marks: Mapping[str, str], answer: Response) -> Response:
    """Spoil the answer to an accepted submission."""
    for spoil, argument in parts(table, marks, lambda row: row.spoil):
        answer = spoil(answer, argument)
    return refusal(table, marks, accepted=True) or answer


def least_looks(table: Table, marks: Mapping[str, str]) -> int:
    """Say which look may be the first to find the task ended; 0 if any may."""
    named = parts(table, marks, lambda row: row.looks or None)
    return max((int(float(argument or looks)) + 1 for looks, argument in named), default=0)


def shaped(table: Table, json: Json, view: View) -> Json:
    """Show a task's JSON the way its markers want it."""
    for shape, _ in parts(table, view.task.marks, lambda row: row.shape):
        json = shape(json, view)
    return json


def fetched(table: Table, answer: Response, task: Task) -> Response:
    """Spoil the answer to a look at a task."""
    for fetch, argument in parts(table, task.marks, lambda row: row.fetch):
        answer = fetch(answer, task.looks, int(float(argument or 1)))
    return answer


def served(table: Table, answer: Response, task: Task) -> Response:
    """Spoil the answer with one of the task's files."""
    for media, _ in parts(table, task.marks, lambda row: row.media):
        answer = media(answer)
    return answer


def _twin(row: Row) -> Row:
    """Make the row that does to the first looks what `row` does to the submission."""

    def fetch(answer: Response, look: int, most: int) -> Response:
        if look > most:
            return answer
        refused = row.refuse("") if row.refuse else answer
        return row.spoil(refused, "") if row.spoil else refused

    return Row(fetch=fetch)


def with_twins(table: Table) -> Table:
    """Add a `fetch-` twin for each row that refuses or spoils a submission."""
    spoiling = {name: row for name, row in table.items() if row.refuse or row.spoil}
    return {**table, **{f"fetch-{name}": _twin(row) for name, row in spoiling.items()}}


def held(answer: Response, argument: str) -> Response:
    """Hold an answer back for as many seconds as the argument says."""
    return Held(answer, float(argument) if argument else None)


COMMON: Table = {
    "ok": Row(),
    "slow": Row(looks=3),
    "timeout": Row(spoil=held),
    "reset": Row(spoil=lambda _answer, _argument: Reset()),
    "truncated-json": Row(spoil=lambda answer, _argument: Cut(answer)),
    "half-json": Row(spoil=lambda answer, _argument: half_of(answer)),
    "html-502": Row(refuse=lambda _argument: bad_gateway()),
    "html-200": Row(refuse=lambda _argument: web_page()),
    "media-404": Row(media=lambda _answer: Response("NoSuchKey", 404, media_type="text/plain")),
    "media-html": Row(media=lambda _answer: web_page()),
    "media-truncated": Row(media=Cut),
}
"""Rows that both services have."""
