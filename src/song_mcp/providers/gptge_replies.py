"""gpt.ge's tasks, as this family of gateways shows them; only `providers.gptge` reads them.

Everything is read by one table of names (`docs/providers.md` 3.10). Reading raises only
UnreadableAnswerError.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from song_mcp.errors import Charged, UnreadableAnswerError
from song_mcp.providers.replies import (
    ITEMS_CAP,
    TAG_CAP,
    to_amount,
    to_line,
    to_message,
    to_object,
    to_percent,
    to_when,
    unreadable,
    usable_id,
)
from song_mcp.providers.shapes import (
    PLACES,
    TASK,
    Found,
    as_clips,
    first,
    holds_lyrics,
    is_known,
    is_task,
    lists_lyrics,
    read_clips,
    read_lyrics,
    standing,
)
from song_mcp.songs import SERVICES, Clip, Kind, Lyrics, Report, ServiceStatus

SERVICE = SERVICES["gptge"]
LABEL = SERVICE.label
MUSIC = frozenset({"", "music", "song", "generate", "description-mode"})
"""What gateways call the making of a song."""
CLIPS = 2
"""How many clips Suno makes of a song."""
DRAFTS = 2
"""How many drafts of lyrics Suno makes, and a gateway shows that lists them (3.10)."""
UNITS = 500_000
"""How much of a gateway's quota is one of its units (3.12)."""
BILLED = re.compile(r"suno(?:_\w+)?", re.IGNORECASE)
"""What gateways call Suno in a bill, which says nothing of the model."""
GIVEN_BACK = re.compile(
    r"已\w{0,4}?(?:退款|退还|退回|返还|补偿)|\brefunded\b|"
    r"\b(?:quota|credits?|points?) (?:(?:was|were|has been|have been) )?(?:returned|restored)\b",
    re.IGNORECASE,
)
"""What is said of a failed task whose price was given back."""
PERHAPS_NOT = re.compile(
    r"[不未没沒无無非如若?\uff1f%\uff05半:]|退款失败|部分|\b(?:not|no|never|non|without|cannot|unless|if|may|might|will|"
    r"would|could|should|to be|half|part(?:ly|ially)?|partial|some|fail(?:ed)? to)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
"""What makes of such words a denial, a condition, a promise, a part, or a quote of the user's."""
SWEPT = re.compile(r"任务超时\W\d+分钟\W")
"""What new-api says of a task that it gave up, and whose price it gave back (3.12)."""
UPSTREAM_SAID = frozenset({"time out"})
"""What a Suno-API behind the gateway says of a task that failed there (3.4)."""


def about(body: object) -> object:
    """Return what a reply is about: its `data`, or itself if it has no envelope."""
    outer = to_object(body)
    is_bare = isinstance(body, list) or (is_task(outer) and not is_task(outer.get("data")))
    has_clips = "data" not in outer and bool(set(PLACES) & outer.keys())
    return body if is_bare or has_clips else outer.get("data")


Named = tuple[frozenset[str], Mapping[str, Any]]
"""A task, after all the ids that it may be known by."""


def tasks_in(data: object, key: str = "", depth: int = 3) -> Iterator[Named]:
    """Yield the tasks of a list, of a map by their ids, or of an object that holds either."""
    if isinstance(data, dict) and is_task(data):
        yield _ids(data, key), data
    elif isinstance(data, list) and depth:
        for item in data[:ITEMS_CAP]:
            yield from tasks_in(item, "", depth - 1)
    elif isinstance(data, dict) and depth:
        for name, item in islice(data.items(), ITEMS_CAP):
            yield from tasks_in(item, name, depth - 1)


def _ids(task: Mapping[str, Any], key: str) -> frozenset[str]:
    """Return a task's ids; if it names none, its `id` or its key in a map is one."""
    named = frozenset(usable_id(task.get(name)) for name in TASK["id"]) - {""}
    return named or frozenset({usable_id(task.get("id")), usable_id(key)}) - {""}


def one(data: object, task_id: str) -> object:
    """Return the task that was asked for from several, or `data` if there is no other."""
    tasks = [] if is_task(data) else list(tasks_in(data))
    named = [task for ids, task in tasks if task_id in ids]
    return next(iter(named), tasks[0][1] if len(tasks) == 1 else data)


def reports_of(tasks: Iterable[Named], asked: set[str]) -> dict[str, Report]:
    """Read each task that was asked for; raises only if none of them can be read."""
    reports: dict[str, Report] = {}
    failure: UnreadableAnswerError | None = None
    for ids, task in tasks:
        for task_id in ids & asked:
            try:
                reports[task_id] = report_of(task, task_id)
            except UnreadableAnswerError as error:
                failure = error
    if failure is not None and not reports:
        raise failure
    return reports


@dataclass(frozen=True)
class _Task:
    """A task by the table of names; fields that could name accounts or channels are not read.

    `word` is its status as it was sent; without one, it stands as its clips or lyrics do. `found`
    are its clips, and `lyrics` what it wrote if `makes_lyrics`.
    """

    word: str
    action: str
    reason: str
    submitted: datetime | None
    finished: datetime | None
    progress: int | None
    model: str
    quota: float | None
    found: Found
    lyrics: Lyrics | None
    makes_lyrics: bool

    @property
    def status(self) -> ServiceStatus:
        """The status in our words (3.4).

        A word that no table has is an end if all clips that a song has are done by themselves.
        """
        is_whole = len(self.found) >= CLIPS and _together(self.found) == "complete"
        return "completed" if is_whole and not is_known(self.word) else standing(self.word)


def _task(data: object) -> _Task:
    """Read a task, or what a bare Suno-API sends in its place: clips or lyrics alone.

    Raises UnreadableAnswerError if nothing tells how it stands.
    """
    task = to_object(data)
    action = first(task, TASK["action"], to_line(TAG_CAP)).casefold()
    makes_lyrics = action == "lyrics" if action else holds_lyrics(data)
    found = [] if makes_lyrics else read_clips(data)
    word = word_of(task) or ("complete" if makes_lyrics and not action else _together(found))
    if is_refused(task) and not word_of(task):
        word = "error"
    if not word and not isinstance(data, list):
        raise unreadable(LABEL, "data.status" if isinstance(data, dict) else "data")
    return _Task(
        word=word or "processing",
        action=action,
        reason=first(task, TASK["reason"], to_message),
        submitted=first(task, TASK["submitted"], to_when),
        finished=first(task, TASK["finished"], to_when),
        progress=first(task, TASK["progress"], to_percent),
        model=first(task, TASK["model"], to_line(TAG_CAP)),
        quota=first(task, TASK["quota"], to_amount),
        found=found,
        lyrics=_lyrics(data) if makes_lyrics else None,
        makes_lyrics=makes_lyrics,
    )


def word_of(task: Mapping[str, Any]) -> str:
    """Return the status of a task as it was sent, "" if none was."""
    return first(task, TASK["status"], to_line(TAG_CAP))


def is_refused(task: Mapping[str, Any]) -> bool:
    """Return whether `{"success": false}` stands in a task, or in the result that it holds."""
    held = [task, *(to_object(task.get(name)) for name in PLACES)]
    return any(each.get("success") is False for each in held)


def _together(found: Found) -> str:
    """Return how clips stand together, "" if there are none: they have ended when each of them has.

    If none of them says how it stands, they have ended when each has its audio.
    """
    words = [clip.status for _, clip in found]
    stands = [standing(word) for word in words]
    has_ended = all(stand in {"completed", "failed"} for stand in stands)
    if found and not any(words) and all(clip.audio_url for _, clip in found):
        return "complete"
    if not found or not has_ended:
        return "processing" if found else ""
    return "complete" if "completed" in stands else "error"


def _lyrics(data: object) -> Lyrics | None:
    """Return the drafts, and one without text for each that a list does not have yet."""
    lyrics = read_lyrics(data)
    if lyrics is None or not lists_lyrics(data):
        return lyrics
    missing = DRAFTS - 1 - len(lyrics.others)
    return replace(lyrics, others=lyrics.others + (Lyrics("", ""),) * missing)


def report_of(data: object, task_id: str) -> Report:
    """Read a task; raises UnreadableAnswerError if nothing tells how it stands."""
    task = _task(data)
    clips = as_clips(task.found, task_id, has_ended=task.status in {"completed", "failed"})
    return Report(
        task_id=task_id,
        status=task.status,
        provider_status=task.word,
        kind=_kind(task),
        model=_model(task),
        progress_percent=task.progress,
        clips=clips,
        lyrics=task.lyrics,
        error=_error(task, clips),
        charged=_charged(task),
        cost_units=task.quota / UNITS if task.quota else None,
        created_at=task.submitted,
        finished_at=task.finished,
        asked=next((clip.asked for _, clip in task.found if clip.asked), ""),
    )


def _charged(task: _Task) -> Charged:
    """Return what is known of the price: a quota was charged, unless the task failed (3.12)."""
    if task.status != "failed":
        return "yes" if task.quota else "unknown"
    return "no" if _is_given_back(task) else "unknown"


def _is_given_back(task: _Task) -> bool:
    """Return whether the price of a failed task was given back.

    A gateway gives it back when its upstream tells the failure: then the reason is the upstream's,
    the first clip's. What it makes of a task that it lost, or gave up long ago, it does not.
    """
    reason = task.reason
    if GIVEN_BACK.search(reason):
        return not PERHAPS_NOT.search(reason)
    told = {clip.words for _, clip in task.found if clip.words or clip.is_broken}
    is_upstreams = reason in told or (bool(told) and (not reason or reason in UPSTREAM_SAID))
    return is_upstreams or reason in UPSTREAM_SAID or SWEPT.fullmatch(reason) is not None


def _kind(task: _Task) -> Kind:
    if task.makes_lyrics:
        return "lyrics"
    if any(clip.is_extension for _, clip in task.found):
        return "extension"
    return "song" if task.found or task.action in MUSIC else "other"


def named(report: Report, names: Mapping[str, str]) -> Report:
    """Return a report with our name of its model, if it is in the table (3.7, 8.2).

    `names` maps our names to those of this relay, if it has its own. What a clip says of its model
    stays as it was said, unless it is one of these.
    """
    ours = {theirs.casefold(): name for name, theirs in names.items()}
    model = SERVICE.model(report.model)
    name = ours.get(report.model.casefold()) or (model.name if model else report.model)
    clips = (
        replace(c, made_with=ours.get(c.made_with.casefold(), c.made_with)) for c in report.clips
    )
    return replace(report, model=name, clips=tuple(clips))


def _model(task: _Task) -> str:
    """Return what the relay calls the model, "" if it does not tell."""
    names = [clip.model or _mv(clip.version) for _, clip in task.found]
    names += [] if BILLED.fullmatch(task.model) else [task.model]
    return next(filter(None, names), "")


def _mv(version: str) -> str:
    """Return a version such as "v3.5" in the form of the table."""
    return f"chirp-{version.replace('.', '-')}" if version else ""


def _error(task: _Task, clips: Sequence[Clip]) -> str:
    if task.status == "failed":
        reasons = [task.reason, *(clip.error for clip in clips)]
        return next(filter(None, reasons), f"{LABEL} gave no reason.")
    if task.status == "completed" and not clips and task.lyrics is None:
        what = "lyrics" if task.makes_lyrics else "audio"
        return f"{LABEL} calls the task completed, but gave no {what}."
    return ""
