"""Finding the id in the answer to a submission, by one table of the names that services use.

No id may be lost: the song behind it is paid. And no other text may be taken for one. So each place
where an id can stand is looked at in the order below, and the first usable id is the one by which
looks are made (`docs/providers.md` 3.9). An answer that reports an error is believed only where it
names a task, and if the text has a form of ids that are given out. What was sent is never the id of
a new task.
"""

import re
from collections.abc import Iterator, Mapping

from song_mcp.providers.echoes import texts_in
from song_mcp.providers.replies import opened, to_object, to_text, usable_id

NAMES_OF_TASKS = (
    *("task_id", "taskId", "taskID", "taskBatchId", "task_batch_id"),
    *("job_id", "jobId", "TaskId"),
)
"""What calls the id of a task so. The first of these that is there counts, wherever it stands."""
FORMS = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}|task_\w{16,}|[0-9]{15,20}",
    re.IGNORECASE,
)
"""The forms of ids that are given out (`docs/providers.md` 3.1, 3.9)."""
NAMES_OF_OTHERS = ("generation_id", "generationId", "uuid")
"""What may call another thing's id so: one in a form of ids counts, if nothing else does."""
NAMES_OF_LISTS = ("task_ids", "taskIds", "job_ids", "jobIds")
"""What calls a list of ids of tasks so; one submission made them, so the first is the task."""
PLACES = ("data", "result", "output", "response", "Data")
"""Inside what of an answer the id can stand (`docs/providers.md` 3.9)."""
ALONE = re.compile(r"(?=.*[0-9])[!-~]{2,}|[!-~]{16,}")
"""What a text that nothing calls an id looks like if it is one: no word, and no flag or count."""
NO_IDS = frozenset(
    {"success", "successful", "succeeded", "ok", "done", "true", "false", "null", "none", "nil"}
    | {"undefined", "submitted", "accepted", "pending", "queued", "processing", "error", "failed"}
)
"""What stands where an id could, and is none."""


def task_id_in(body: object, sent: Mapping[str, object], *, is_error: bool) -> str:
    """Return the id of the task that the answer `body` to a submission names, or "".

    `sent` is the submission; `is_error` tells whether the answer reports an error.
    """
    known = {text.strip() for text in texts_in(sent)}
    ids = filter(None, map(usable_id, _named(body) if is_error else _anywhere(body)))
    new = (task_id for task_id in ids if task_id not in known and _can_be(task_id))
    return next((task_id for task_id in new if not is_error or FORMS.fullmatch(task_id)), "")


def _can_be(task_id: str) -> bool:
    return task_id.casefold() not in NO_IDS and "://" not in task_id


def _named(body: object) -> Iterator[object]:
    """Yield what an answer calls its task, or gives as its data or result, the surest first."""
    whole = to_object(opened(body))
    data, result = opened(whole.get("data")), opened(whole.get("result"))
    if FORMS.fullmatch(to_text(data).strip()):
        yield data
    parts = _parts(body)
    for name in NAMES_OF_TASKS:
        yield from (part.get(name) for part in parts)
    for name in NAMES_OF_LISTS:
        yield from (each for part in parts for each in _first(part.get(name)))
    yield from (each for each in (data, result) if ALONE.fullmatch(to_text(each).strip()))
    yield to_object(data).get("id")
    others = (part.get(name) for name in NAMES_OF_OTHERS for part in parts)
    yield from (each for each in others if FORMS.fullmatch(to_text(each).strip()))


def _anywhere(body: object) -> Iterator[object]:
    """Yield also what only stands where the id of a task can: called `id`, first in a list.

    What has the form of ids goes first: an `id` around that may be the one of the request.
    """
    yield from _named(body)
    ids = [part.get("id") for part in _parts(body)]
    whole = opened(body)
    bare = (whole, *_first(whole), *_first(to_object(whole).get("data")))
    yield from (each for each in (*ids, *bare) if FORMS.fullmatch(to_text(each).strip()))
    yield from ids


def _parts(body: object) -> list[Mapping[str, object]]:
    """Return the objects in which the id can stand: the data, the answer, a result, first tasks."""
    whole = opened(body)
    data, *others = (opened(to_object(whole).get(name)) for name in PLACES)
    inside = [opened(to_object(each).get("task")) for each in (data, whole)]
    further = [opened(to_object(data).get(name)) for name in PLACES]
    parts = (data, whole, *others, *_first(data), *_first(whole), *inside, *further)
    return [to_object(part) for part in parts]


def _first(value: object) -> list[object]:
    items = opened(value)
    return [opened(item) for item in items[:1]] if isinstance(items, list) else []
