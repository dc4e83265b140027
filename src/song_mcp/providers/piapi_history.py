"""PiAPI's history: what a page of it shows, and whether a task was made by a submission.

The history has no prompts (`docs/providers.md` 2.11), so a task is compared by the `input` that a
look at it repeats. Of a page only ids, times and statuses are read: whose account it is stays here,
unread. The list of running jobs (2.8) tells whether the history lags behind what runs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from song_mcp.providers.base import Likeness, Past
from song_mcp.providers.replies import (
    Amount,
    AsObject,
    Lenient,
    Text,
    When,
    Word,
    to_number,
    to_object,
    to_text,
    usable_id,
)

PATH = "/api/open/tasks/histories"
RUNNING_PATH = "/account/active_tasks"
PAGE_SIZE = 100
"""How many tasks a page is asked for, which is the most that a page has."""
MOST_PAGES = 5
RANDOM_SEED = -1
ENDED = frozenset({"completed", "failed"})
"""What the status of a task that has ended is; any other says that it runs."""
ONLY_OURS = ("continue_song_id",)
"""Fields that make it another request if the task has them and the submission does not."""
FIELDS = (
    "lyrics_type",
    "gpt_description_prompt",
    "prompt",
    "lyrics",
    "title",
    "negative_tags",
    "continue_song_id",
    "continue_at",
    "seed",
    "style_prompt",
    "negative_style_prompt",
    "duration",
    "right_extend_duration",
    "left_extend_duration",
)
"""The fields of `input` that decide whether two requests are the same.

The address of a clip that went along is none of them: it differs each time, and is not kept.
"""
LINKS = frozenset({"audio", "style_audio"})
LENGTHS = frozenset({"duration", "right_extend_duration", "left_extend_duration"})


class _Detail(Lenient):
    model: Word = ""
    task_id: Text = ""


class _Entry(Lenient):
    task_id: Text = ""
    task_model: Word = ""
    status: Word = ""
    created_at: When = None
    detail: Annotated[_Detail, AsObject] = _Detail()

    def is_of(self, model: str) -> bool:
        """Tell whether the task may be of this model: it is if the entry names none."""
        return (self.task_model or self.detail.model or model).casefold() == model


class _Total(Lenient):
    total: Amount = None


class _Running(Lenient):
    staged_count: Amount = None
    pending_count: Amount = None
    processing_count: Amount = None
    active_tasks: Any = None


@dataclass(frozen=True)
class Page:
    """A page of the history: the ids of its entries, and the tasks among them of our model.

    `open` has the ids of those of them that have not ended, `total` is how many entries all pages
    have, None if that is not told. `is_readable` tells whether each entry of the page could be
    read.
    """

    ids: frozenset[str]
    tasks: tuple[Past, ...]
    open: frozenset[str]
    total: int | None
    is_readable: bool


@dataclass(frozen=True)
class Running:
    """The tasks of one model that run now: how many there are, and those that are listed."""

    count: int
    tasks: tuple[Past, ...] = ()

    def is_more_than(self, listed: Iterable[str]) -> bool:
        """Tell whether a task runs that is neither told here nor among the ids that are listed."""
        return self.count > len({*listed, *(each.task_id for each in self.tasks)})


def read_page(data: object, model: str) -> Page | None:
    """Return the page in a reply's `data`, or None if that has not the form of one."""
    page = to_object(data)
    total = _Total.model_validate(page).total
    entries = [] if page.get("data") is None and total == 0 else page.get("data")
    if not isinstance(entries, list):
        return None
    read = [_Entry.model_validate(to_object(entry)) for entry in entries[:PAGE_SIZE]]
    found = [(usable_id(each.task_id or each.detail.task_id), each) for each in read]
    ours = [(key, each) for key, each in found if key and each.is_of(model)]
    return Page(
        ids=frozenset(key for key, _ in found if key),
        tasks=tuple(Past(key, each.created_at) for key, each in ours),
        open=frozenset(key for key, each in ours if each.status.casefold() not in ENDED),
        total=None if total is None else int(total),
        is_readable=all(key for key, _ in found) and len(entries) <= PAGE_SIZE,
    )


def read_running(data: object, model: str) -> Running:
    """Return what the list of running jobs in a reply's `data` has of `model`: nothing, if not."""
    rows = {to_text(name).casefold(): row for name, row in to_object(data).items()}
    row = _Running.model_validate(to_object(rows.get(model)))
    counts = (row.staged_count, row.pending_count, row.processing_count)
    listed = row.active_tasks if isinstance(row.active_tasks, list) else []
    read = [_Entry.model_validate(to_object(each)) for each in listed[:PAGE_SIZE]]
    found = [(usable_id(each.task_id or each.detail.task_id), each) for each in read]
    tasks = tuple(Past(key, each.created_at) for key, each in found if key and each.is_of(model))
    return Running(max(int(sum(filter(None, counts))), len(tasks)), tasks)


# Comparing -------------------------------------------------------------------------------------


def likeness(sent: Mapping[str, Any], task: Mapping[str, Any]) -> Likeness:
    """Tell whether the body `sent` made the `task`, as a look shows it, word for word."""
    kinds = [(to_text(sent.get(key)), to_text(task.get(key))) for key in ("model", "task_type")]
    if any(theirs and theirs.casefold() != ours.casefold() for ours, theirs in kinds):
        return "other"
    given, shown = to_object(sent.get("input")), to_object(task.get("input"))
    names = {*FIELDS, *given} - LINKS
    found = {_alike(name, given.get(name), shown.get(name)) for name in names}
    if "other" in found:
        return "other"
    return "unclear" if "unclear" in found else "same"


def _alike(name: str, ours: object, theirs: object) -> Likeness:
    """Compare one field; a service may fill in what was not sent, or leave out what is empty."""
    ours, theirs = _plain(name, ours), _plain(name, theirs)
    if ours == theirs or (name == "seed" and ours is None):
        return "same"
    if ours is None:
        return "other" if name in ONLY_OURS else "unclear"
    if theirs is None:
        return "unclear"
    has_words = isinstance(ours, str) and isinstance(theirs, str)
    return "unclear" if has_words and _words(ours) == _words(theirs) else "other"


def _words(value: object) -> list[str]:
    return str(value).split()


def _plain(name: str, value: object) -> object:
    """Return a value in the one form in which it is compared; None for one that says nothing."""
    if name == "continue_at":
        return to_number(value) or 0.0
    if name in LENGTHS:
        return to_number(value)
    if name == "seed":
        number = to_number(value)
        return None if number == RANDOM_SEED else number
    return None if value == "" else value
