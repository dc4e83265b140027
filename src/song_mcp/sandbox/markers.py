"""Markers: `[[name]]` or `[[name:argument]]` in a text makes the sandbox misbehave on purpose.

What a marker does is a row of a table, never a branch, and depends only on the request and on how
many times its task was looked at. A marker that is not in the service's table is refused with 400,
so that a misspelt one is never ignored. In names, case does not matter and a blank is a hyphen.

Rows that refuse a submission do so before anything is accepted or paid. With the argument
`accepted` (`[[html-502:accepted]]`) the task is made first, and only the answer is lost.
Every row that refuses a submission, or spoils the answer to it, has a twin `fetch-<name>`. The twin
does the same to the first looks at the task: to the first two with `[[fetch-html-502:2]]`, to the
first one without a number. `docs/sandbox.md` lists all of them.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from song_mcp.sandbox.songs import Clip
from song_mcp.sandbox.tasks import Json, Stage, Task
from song_mcp.sandbox.wire import Cut, Held, Reset, bad_gateway, half_of, web_page

_MARKER = re.compile(r"\[\[([^\[\]:]+)(?::([^\[\]]*))?\]\]")
ACCEPTED = "accepted"
_TAGS = 65_536
"""How many bytes of an uploaded file are searched for markers."""

Part = TypeVar("Part")
Spoil = Callable[[Response, int, int], Response]


@dataclass(frozen=True, slots=True)
class View:
    """What a shape gets beside the JSON of the task."""

    task: Task
    stage: Stage
    origin: str
    """Scheme, host and port under which the client reached the sandbox."""
    argument: str = ""
    """The argument of the marker that shapes."""

    @property
    def is_early(self) -> bool:
        """Whether this is one of the first looks that find the task ended, as many as named."""
        return self.stage is Stage.ENDED and self.task.looks_after_end <= count(self.argument)


@dataclass(frozen=True, slots=True)
class Serving:
    """What a row gets beside the answer with a file."""

    request: Request
    clip: Clip
    is_audio: bool
    number: int
    """Which request for this file it is, counted from 1."""
    argument: str = ""
    """The argument of the marker."""

    @property
    def is_early(self) -> bool:
        """Whether it is one of the first requests, as many as the marker says."""
        return self.number <= count(self.argument)


@dataclass(frozen=True, slots=True)
class Row:
    """What one marker changes; each field is one moment of a task's life."""

    refuse: Callable[[str], Response] | None = None
    """From the argument to the answer, in place of accepting."""
    spoil: Callable[[Response, str], Response] | None = None
    """From the answer to an accepted submission and the argument, to what is sent."""
    new_id: Callable[[str], str] | None = None
    """From a UUID to the id of the task."""
    form: Callable[[Task], object] | None = None
    """From the task to the whole answer to its submission, in place of the usual one."""
    fails: bool = False
    """Whether the task ends in failure."""
    looks: int = 0
    """How many looks find the task unfinished, unless an argument says; 0: only time counts."""
    shape: Callable[[Json, View], Json] | None = None
    """From the task as JSON to the task as shown."""
    fetch: Spoil | None = None
    """From the answer to a look, its number, and how many looks to spoil, to what is sent."""
    batch: Callable[[list[Json], Task, str], list[Json] | None] | None = None
    """From the tasks of a batch, this one and the argument, to the tasks shown. A row that has it
    does nothing else to a batch."""
    batch_answer: Callable[[], Response] | None = None
    """The answer to every batch with the task, at a service without batches."""
    media: Callable[[Response, Serving], Response] | None = None
    """From the answer with a file to what is sent."""
    upload: Callable[[Response], Response] | None = None
    """From the answer to an upload of a file that has the marker in its tags, to what is sent."""
    listed: Literal["hidden", "failing"] | None = None
    """Whether the first lists of the task's time, one or as many as the argument says, leave it out
    or fail."""
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


def count(argument: str) -> int:
    """Return how many the argument says; 1 if it says nothing."""
    return int(float(argument or 1))


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
    for shape, argument in parts(table, view.task.marks, lambda row: row.shape):
        json = shape(json, replace(view, argument=argument))
    return json


def formed(table: Table, task: Task, usual: object) -> object:
    """Return the answer to an accepted submission in the form that its markers want."""
    for form, _ in parts(table, task.marks, lambda row: row.form):
        return form(task)
    return usual


def fetched(table: Table, answer: Response, task: Task, *, in_batch: bool = False) -> Response:
    """Spoil the answer to a look at a task, alone or in a batch."""

    def spoiler(row: Row) -> Spoil | None:
        return None if in_batch and row.batch else row.fetch

    for fetch, argument in parts(table, task.marks, spoiler):
        answer = fetch(answer, task.looks, count(argument))
    return answer


def batched(table: Table, found: list[Json], tasks: Iterable[Task]) -> list[Json] | None:
    """Return the tasks that a batch shows; None if it shows none."""
    shown: list[Json] | None = found
    for task in tasks:
        for batch, argument in parts(table, task.marks, lambda row: row.batch):
            shown = None if shown is None else batch(shown, task, argument)
    return shown or None


def listed(table: Table, task: Task) -> str:
    """Return "hidden" or "failing" if that is what the task does to the history now, else ""."""
    for how, argument in parts(table, task.marks, lambda row: row.listed):
        if task.listings <= int(float(argument or 1)):
            return how
    return ""


def served(table: Table, answer: Response, task: Task, serving: Serving) -> Response:
    """Spoil the answer with one of the task's files."""
    for media, argument in parts(table, task.marks, lambda row: row.media):
        answer = media(answer, replace(serving, argument=argument))
    return answer


def uploaded(table: Table, content: bytes, answer: Response) -> Response:
    """Spoil the answer to an upload, by the markers in the tags of the file."""
    named = find([content[:_TAGS].decode("latin-1")])
    for upload, _ in parts(
        table, {name: "" for name in named if name in table}, lambda r: r.upload
    ):
        answer = upload(answer)
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
    "media-404": Row(media=lambda *_: Response("NoSuchKey", 404, media_type="text/plain")),
    "media-html": Row(media=lambda *_: web_page()),
    "media-truncated": Row(media=lambda answer, _: Cut(answer)),
}
"""Rows that both services have."""
