"""Markers: `[[name]]` or `[[name:argument]]` in a text makes the sandbox misbehave on purpose.

What a marker does is a row of a table, never a branch, and depends only on the request and on how
many times its task was looked at. A marker that is not in the service's table is refused with 400,
so that a misspelt one is never ignored. In names, case does not matter and a blank is a hyphen.

Rows that refuse a submission do so before anything is accepted or paid. With the argument
`accepted` (`[[html-502:accepted]]`) the task is made first, and only the answer is lost.
Every row that refuses a submission, or spoils the answer to it, has a twin `fetch-<name>`. The twin
does the same to the first looks at the task: to the first two with `[[fetch-html-502:2]]`, to the
first one without a number.
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
    """What a shape gets beside the JSON of the task."""

    task: Task
    stage: Stage
    origin: str
    """Scheme, host and port under which the client reached the sandbox."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one marker changes; each field is one moment of a task's life."""

    refuse: Callable[[str], Response] | None = None
    """From the argument to the answer, in place of accepting."""
    spoil: Callable[[Response, str], Response] | None = None
    """From the answer to an accepted submission and the argument, to what is sent."""
    new_id: Callable[[str], str] | None = None
    """From a UUID to the id of the task."""
    fails: bool = False
    """Whether the task ends in failure."""
    looks: int = 0
    """How many looks find the task unfinished, unless an argument says; 0: only time counts."""
    shape: Callable[[Json, View], Json] | None = None
    """From the task as JSON to the task as shown."""
    fetch: Callable[[Response, int, int], Response] | None = None
    """From the answer to a look, its number, and how many looks to spoil, to what is sent."""
    batch: Callable[[list[Json], str], list[Json] | None] | None = None
    """From the tasks of a batch and the id of this one, to the tasks shown."""
    media: Callable[[Response], Response] | None = None
    """From the answer with a file to what is sent."""
    choices: tuple[str, ...] = ()
    """The arguments that are allowed beside numbers."""


Table = Mapping[str, Row]


def _name(written: str) -> str:
    return "-".join(written.casefold().split())


def find(texts: Iterable[str]) -> dict[str, str]:
    """Return all markers in some texts, from name to argument."""
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
    """Return the first marker that a table does not know, or with an argument that it does not."""
    for name, argument in marks.items():
        if name not in table or not _understood(table[name], argument):
            return f"{name}:{argument}" if argument else name
    return None


def parts(
    table: Table, marks: Mapping[str, str], pick: Callable[[Row], Part | None]
) -> list[tuple[Part, str]]:
    """Return one field of each marker that has it, with the marker's argument."""
    picked = ((pick(table[name]), argument) for name, argument in marks.items())
    return [(part, argument) for part, argument in picked if part is not None]


def refusal(table: Table, marks: Mapping[str, str], *, accepted: bool) -> Response | None:
    """Return the answer of the first marker that refuses before, or after, acceptance."""
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
    """Return the number of the first look that may find the task ended; 0 if any may."""
    named = parts(table, marks, lambda row: row.looks or None)
    return max((int(float(argument or looks)) + 1 for looks, argument in named), default=0)


def shaped(table: Table, json: Json, view: View) -> Json:
    """Return a task's JSON as its markers want it."""
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
