"""What a tool returns: typed models with units in their descriptions.

A key without a value is left out; only `clips` is always there. A result holds nothing that a model
or a person cannot use: no preview URLs, no secrets, no raw replies. While a task runs, its
unfinished clips are left out too, as nobody can use them yet. A clip whose file is there is told
without its links and its style, which its resource has. What only the player's page needs is
beside the result in `_meta`, and costs the model nothing.
"""

import re
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import PurePath
from typing import Annotated, Any
from urllib.parse import quote

from mcp.types import CallToolResult
from pydantic import AwareDatetime, BaseModel, Field

from song_mcp import __version__, lrc
from song_mcp.errors import Charged, JournalError
from song_mcp.rights import Rights, rights_in
from song_mcp.server.adapt import text_result
from song_mcp.server.clients import AnyContext, request_of, shows_pages
from song_mcp.songs import (
    SERVICES,
    TITLE_LIMIT,
    Clip,
    ClipStatus,
    Kind,
    Lyrics,
    ServiceName,
    Status,
    Task,
    completed,
    made_otherwise,
    model_named,
    public_clip_id,
    unheeded,
    why_not_extended,
)
from song_mcp.studio import (
    AWAY,
    DELETED,
    AccountState,
    Answer,
    State,
    Studio,
    Whole,
    continuation,
    error_of,
    going,
    is_our_reason,
    maybe_ignored,
    next_try,
    not_got_again,
    of_files,
    other_model,
    unsaved,
)
from song_mcp.text import plain, plain_link, quoted

TITLE_CHARACTERS = 80
ONE_WORD = re.compile(r"[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)?(?<!.{21})")
WORD_CHARACTERS = 60
"""The most of a service's name for a status or a plan that is shown."""
LETTERS = re.compile(r"[^\W_]")
SENTENCE_ENDS = {".", "!", "?", "。", "！", "？"}  # noqa: RUF001
WITHHELD = "finished, but Suno withholds the audio from this relay; look again later"
EXTRA = "song-mcp/player"
"""The key in a result's `_meta` for what only the player's page needs."""
IN_THE_RESOURCE = ("audio_url", "image_url", "video_url", "tags")
"""What a result leaves out of a clip whose file it names."""


NamedService = Annotated[ServiceName, Field(json_schema_extra={"enum": list(SERVICES)})]


class ClipResult(BaseModel):
    """One piece of audio that a task made."""

    clip_id: str
    title: str | None = None
    status: ClipStatus
    duration_seconds: float | None = None
    audio_url: str | None = Field(None, description="Where the service has it; may expire")
    image_url: str | None = None
    video_url: str | None = None
    tags: list[str] | None = None
    error: str | None = None
    file: str | None = Field(None, description="Absolute path of the saved audio")
    lyrics_file: str | None = Field(None, description="Beside it: the lyrics with times, LRC")
    resource_uri: str | None = None
    continues_clip_id: str | None = Field(
        None, description="This clip is the new part alone, heard after that one"
    )
    starts_at_seconds: float | None = Field(None, description="In continues_clip_id")
    made_with: str | None = Field(None, description="Its model, if not the one asked for")
    lyrics: str | None = None


class TakeClipResult(BaseModel):
    """A clip of another take, in brief."""

    clip_id: str
    duration_seconds: float | None = None
    file: str | None = None


class LyricsResult(BaseModel):
    """Lyrics that a lyrics task wrote."""

    title: str
    text: str


class TakeResult(BaseModel):
    """Another take of the same call: a task of its own."""

    task_id: str
    status: Status
    charged: Charged
    cost_usd: float | None = None
    error: str | None = None
    clips: list[TakeClipResult] | None = None


class TaskResult(BaseModel):
    """A task as it stands."""

    task_id: str = Field(description="The service's id; local-... until that is known")
    title: str | None = Field(None, description="In lists: the title, else the description")
    service: NamedService
    model: str | None = None
    kind: Kind
    status: Status
    provider_status: str | None = Field(None, description="As the service says it")
    progress_percent: int | None = None
    clips: list[ClipResult]
    lyrics: LyricsResult | None = None
    other_lyrics: list[LyricsResult] | None = Field(None, description="Further drafts")
    rights: str | None = Field(None, description="What is known of the rights in the audio")
    other_takes: list[TakeResult] | None = Field(None, description="Tasks of the same call")
    error: str | None = None
    charged: Charged
    cost_usd: float | None = None
    cost_units: float | None = Field(None, description="In the gateway's own unit, not dollars")
    created_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    next_step: str | None = Field(None, description="What to call now")
    note: str | None = None


class AccountResult(BaseModel):
    """One service's account."""

    service: NamedService
    has_key: bool
    balance_usd: float | None = None
    balance_units: float | None = Field(None, description="In the gateway's own unit, not dollars")
    is_unlimited: bool | None = Field(None, description="The key has no limit of its own")
    plan: str | None = None
    songs_at_once: int | None = Field(None, description="What the plan allows")
    models: list[str] | None = Field(None, description="What the key may use, if that is told")
    remark: str | None = None
    error: str | None = None


class StateResult(BaseModel):
    """How things stand with money and settings."""

    accounts: list[AccountResult]
    default_model: str
    submissions_24h: int = Field(description="Paid submissions in the last 24 hours")
    daily_limit: int
    cost_usd_24h: float = Field(description="As far as known; gpt.ge tells no prices")
    in_doubt: list[TaskResult]
    journal: str
    library: str
    log: str | None = Field(None, description="File with what went wrong")
    note: str | None = None


class SongsResult(BaseModel):
    """Some tasks of the journal, newest first."""

    tasks: list[TaskResult]
    total: int = Field(description="How many match in all")
    rights: list[str] | None = Field(None, description="What is known of the rights in the audio")
    note: str | None = None


class PartResult(BaseModel):
    """What a joined song has of one clip."""

    clip_id: str
    until_seconds: float | None = Field(None, description="Left out: all of the clip")
    file: str | None = Field(None, description="The clip's own file")


class WholeResult(BaseModel):
    """A song whose clips were joined into one file."""

    clip_id: str = Field(description="The clip that it ends with")
    title: str | None = None
    duration_seconds: float | None = None
    file: str = Field(description="Absolute path of the whole song")
    mime_type: str
    resource_uri: str
    parts: list[PartResult] = Field(description="In the order in which they play")
    note: str | None = None


Structured = dict[str, Any]


def clip_uri(clip_id: str) -> str:
    """Return the URI of the clip's resource."""
    return f"song://clips/{quote(clip_id, safe='')}"


def as_json(result: BaseModel) -> Structured:
    """Return a result as JSON values, without the keys that have no value."""
    return result.model_dump(mode="json", exclude_none=True)


def task_result(answer: Answer, *, include_lyrics: bool = False) -> TaskResult:
    """Return the result for a task as it stands, with what to call next."""
    task = answer.task
    clips = [clip_result(task, clip, include_lyrics=include_lyrics) for clip in _shown(task)]
    return _task(task, list(map(_brief, clips))).model_copy(
        update={
            "rights": _rights(task) or None,
            "next_step": _next_step_of_all(answer),
            "note": _note(answer) or None,
            "other_takes": [_take(each) for each in answer.others] or None,
        }
    )


def _take(task: Task) -> TakeResult:
    clips = [
        TakeClipResult(
            clip_id=clip.public_id,
            duration_seconds=clip.duration_s,
            file=str(clip.file) if clip.file else None,
        )
        for clip in completed(task.clips)
    ]
    return TakeResult(
        task_id=task.public_id,
        status=task.status,
        charged=task.charged,
        cost_usd=task.cost_usd,
        error=error_of(task) or None,
        clips=clips or None,
    )


def songs_result(tasks: Sequence[Task], total: int, note: str = "") -> SongsResult:
    """Return the result for a list of tasks, each with its title and its clips in brief.

    What is known of the rights is told once for all tasks that it holds for.
    """
    rights = dict.fromkeys(filter(None, map(_rights, tasks)))
    listed = [_listed(task) for task in tasks]
    note = " ".join(filter(None, (note, of_files(tasks))))
    return SongsResult(tasks=listed, total=total, rights=list(rights) or None, note=note or None)


def known_rights(task: Task) -> Rights:
    """Return what is known of the rights in a task's audio."""
    return rights_in(task.service, task.made_by.name if task.made_by else task.model)


def _rights(task: Task) -> str:
    """Return it in one sentence, "" if there is no audio yet; resources and files have it whole."""
    return known_rights(task).brief if completed(task.clips) else ""


def clip_result(task: Task, clip: Clip, *, include_lyrics: bool) -> ClipResult:
    """Return all that is told of a clip of this task."""
    is_heard = clip.status == "completed"
    timed = task.timed_lyrics(clip)
    before = continuation(task, clip) if is_heard else None
    return ClipResult(
        clip_id=clip.public_id,
        title=clip.title or None,
        status=clip.status,
        duration_seconds=clip.duration_s,
        audio_url=plain_link(clip.link) or None,
        image_url=plain_link(clip.image_url) or None,
        video_url=plain_link(clip.video_url) or None,
        tags=list(clip.tags) or None,
        error=_trouble(clip) or None,
        file=str(clip.file) if clip.file else None,
        lyrics_file=str(clip.lyrics_file) if clip.lyrics_file and timed else None,
        resource_uri=clip_uri(clip.public_id) if is_heard else None,
        continues_clip_id=public_clip_id(before.source_id) if before else None,
        starts_at_seconds=before.at_s if before else None,
        made_with=made_otherwise(task, clip) or None,
        lyrics=(task.words(clip) or None) if include_lyrics else None,
    )


def _trouble(clip: Clip) -> str:
    """Return in one line what is the matter with a clip: that it failed, or that its file is gone.

    "" for a clip of which nothing is, and for one that is not saved yet.
    """
    if clip.status != "completed":
        return clip.error
    return DELETED if clip.is_gone else AWAY if clip.is_away else ""


def whole_result(whole: Whole) -> WholeResult:
    """Return the result for a song that was joined, or that is one clip."""
    *_, last = whole.chain.parts
    is_joined = len(whole.chain.parts) > 1
    return WholeResult(
        clip_id=last.clip.public_id,
        title=whole.clip.title or None,
        duration_seconds=whole.clip.duration_s,
        file=str(whole.clip.file),
        mime_type=whole.clip.mime_type,
        resource_uri=f"{clip_uri(last.clip.public_id)}/{'whole' if is_joined else 'audio'}",
        parts=[
            PartResult(
                clip_id=part.clip.public_id,
                until_seconds=part.until_s,
                file=str(part.clip.file) if part.clip.file else None,
            )
            for part in whole.chain.parts
        ],
        note=None if is_joined else "The clip is the whole song, so nothing was joined.",
    )


def _task(task: Task, clips: list[ClipResult]) -> TaskResult:
    drafts = _drafts(task.lyrics)
    is_completed = task.status == "completed"  # which says all that the service's words would
    return TaskResult(
        task_id=task.public_id,
        service=task.service,
        model=task.model or None,
        kind=task.kind,
        status=task.status,
        provider_status=None if is_completed else _word(task.provider_status) or None,
        progress_percent=None if is_completed else task.progress_percent,
        clips=clips,
        lyrics=drafts[0] if drafts else None,
        other_lyrics=drafts[1:] or None,
        error=error_of(task) or None,
        charged=task.charged,
        cost_usd=task.cost_usd,
        cost_units=task.cost_units,
        created_at=_whole_seconds(task.created_at),
        finished_at=_whole_seconds(task.finished_at) if task.finished_at else None,
    )


def _drafts(lyrics: Lyrics | None) -> list[LyricsResult]:
    """Return each draft that is told, the first one first."""
    drafts = [lyrics, *lyrics.others] if lyrics else []
    return [LyricsResult(title=each.title, text=each.text) for each in drafts if each.text]


def _brief(clip: ClipResult) -> ClipResult:
    """Return a clip without what nobody needs who has its file; its resource has all of it."""
    return clip.model_copy(update=dict.fromkeys(IN_THE_RESOURCE)) if clip.file else clip


def _listed(task: Task) -> TaskResult:
    clips = [
        _brief(clip_result(task, clip, include_lyrics=False)).model_copy(
            update={"lyrics_file": None}
        )
        for clip in _shown(task)
    ]
    title = (task.title or task.description)[:TITLE_CHARACTERS] or None
    return _task(task, clips).model_copy(
        update={"title": title, "lyrics": None, "other_lyrics": None}
    )


def _shown(task: Task) -> list[Clip]:
    return [clip for clip in task.clips if not task.is_open or clip.status != "processing"]


def _whole_seconds(when: datetime) -> datetime:
    return when.replace(microsecond=0)


def _note(answer: Answer) -> str:
    clips = answer.task.clips
    tries = dict.fromkeys(next_try(clip) for clip in clips if _is_troubled(clip))
    made = dict.fromkeys(filter(None, (made_otherwise(answer.task, clip) for clip in clips)))
    asked = answer.task.model
    others = [other_model(model_name(asked), model_name(word)) for word in made]
    ignored = unheeded(answer.task)
    others += [maybe_ignored(answer.task.service, ignored)] if ignored else []
    files = of_files([answer.task, *answer.others])
    return " ".join(filter(None, [answer.note, files, *others, *map(_clip_note, clips), *tries]))


def _is_troubled(clip: Clip) -> bool:
    return bool(clip.save_error) and not clip.is_settled and not clip.is_withheld


def _clip_note(clip: Clip) -> str:
    """Say why the library does not hold a clip, and what the service remarks on it."""
    said = [f"About clip {clip.public_id} the service says {quoted(clip.remark, limit=500)}."]
    told = said if clip.remark else []
    if clip.is_withheld:
        told += [f"Clip {clip.public_id} is {WITHHELD}."]
    elif _is_troubled(clip):
        told += [unsaved(clip), not_got_again(clip)]
    return " ".join(filter(None, told))


def state_result(state: State) -> StateResult:
    """Return the result for the state of money and settings."""
    return StateResult(
        accounts=[_account(service, account) for service, account in state.accounts.items()],
        default_model=state.default_model,
        submissions_24h=state.paid,
        daily_limit=state.daily_limit,
        cost_usd_24h=round(state.cost_usd, 4),
        in_doubt=[_listed(task) for task in state.in_doubt],
        journal=str(state.journal),
        library=str(state.library),
        log=str(state.log) if state.log else None,
        note=state.warning or None,
    )


def _account(service: ServiceName, account: AccountState) -> AccountResult:
    if account is None or isinstance(account, str):
        return AccountResult(service=service, has_key=account is not None, error=account)
    return AccountResult(
        service=service,
        has_key=True,
        balance_usd=account.balance_usd,
        balance_units=None if account.balance_units is None else round(account.balance_units, 2),
        is_unlimited=account.is_unlimited or None,
        plan=_word(account.plan) or None,
        songs_at_once=account.max_concurrent,
        models=list(account.models) if account.models else None,
        remark=account.remark or None,
    )


LOOK = "call get_task with this id"
NEXT_STEPS: dict[Status, str] = {
    "submitting": f"Being made: {LOOK}; do not repeat the request.",
    "pending": f"Being made: {LOOK}.",
    "processing": f"Being made: {LOOK}.",
    "in_doubt": "Tell the user, and settle it as they decide by resolve_task.",
    "abandoned": "The same request again is a new payment.",
}


AFTER_FAILURE: dict[Charged, str] = {
    "no": "Tell the user why, and that it was not charged; a new try is a new payment.",
    "yes": "Tell the user why, and that it was charged; a new try is a new payment.",
    "unknown": "Tell the user why, and that nobody here knows whether it was charged; a new try is "
    "a new payment.",
}


FREE_FAILURE = "Tell the user why; it cost nothing, and nor does a new try."


def _next_step(task: Task) -> str | None:
    is_free = task.made_by is not None and task.made_by.is_free
    if task.status == "failed":
        return FREE_FAILURE if is_free else AFTER_FAILURE[task.charged]
    if task.status == "submitting" and SERVICES[task.service].answers_with_audio:
        return f"{going(task)} {LOOK.capitalize()}; do not repeat the request."
    if task.is_open and _shown(task) and all(clip.is_saved for clip in task.clips):
        return f"{NEXT_STEPS[task.status]} These clips are saved."
    if task.status != "completed":
        return None if task.status == "abandoned" and is_free else NEXT_STEPS.get(task.status)
    if task.lyrics is not None:
        which = "one of these texts" if len(_drafts(task.lyrics)) > 1 else "this text"
        return f"generate_song with {which} as lyrics."
    steps = [] if task.has_nothing_to_save else ["Being saved; get_task shows the files."]
    if any(not why_not_extended(task, clip) for clip in task.clips):
        steps.append("extend_song continues a clip.")
    if any(continuation(task, clip) for clip in completed(task.clips)):
        steps.append("join_song with a clip_id makes one file of all parts; free.")
    return " ".join(steps) or None


def _next_step_of_all(answer: Answer) -> str | None:
    """Return what to call now for a task, and for those of its other takes that need a call."""
    others = [each for each in answer.others if each.is_open or _is_unsaved(each)]
    doubts = [each.public_id for each in answer.others if each.status == "in_doubt"]
    steps = [_next_step(answer.task)]
    if others:
        ids = ", ".join(each.public_id for each in others)
        steps.append(f"Call get_task with each other take too: {ids}.")
    if doubts:
        steps.append(f"Let the user settle {', '.join(doubts)} by resolve_task.")
    return " ".join(filter(None, steps)) or None


def _is_unsaved(task: Task) -> bool:
    return any(not clip.is_settled for clip in completed(task.clips))


# The answer to a call about one task ------------------------------------------------------------


async def task_answer(
    context: AnyContext,
    answer: Answer,
    *,
    include_lyrics: bool = False,
    is_error: bool = False,
    focus: str = "",
) -> CallToolResult:
    """Return the result for a task: a short text for the model, and `_meta` for the page.

    Only a client that shows the page gets the latter: some clients show it to the model. `focus` is
    the id of the clip that was asked for, "" for all of them.
    """
    studio: Studio = request_of(context).lifespan_context
    note = " ".join(filter(None, (answer.note, await studio.warning())))
    result = task_result(replace(answer, note=note), include_lyrics=include_lyrics)
    told = text_result(task_text(result), as_json(result), is_error=is_error)
    if not shows_pages(context):
        return told
    extra = await _extra(studio, answer.task, focus)
    return told.model_copy(update={"meta": {EXTRA: extra}})


async def _extra(studio: Studio, task: Task, focus: str) -> dict[str, Any]:
    """Return what the page needs to know of a task; seconds are counted from when it was made."""
    known: dict[str, Any] = {"title": task.title, "description": task.description, "focus": focus}
    known["extendable"] = [
        clip.public_id for clip in task.clips if not why_not_extended(task, clip)
    ]
    known["coverable"] = studio.can("cover")
    saved = [clip for clip in task.clips if clip.file]
    known["links"] = {clip.public_id: plain_link(clip.link) for clip in saved if clip.link}
    known["tags"] = {clip.public_id: list(clip.tags) for clip in saved if clip.tags}
    if task.is_open:
        with suppress(JournalError):  # the task, which may be paid, is told in any case
            known["expected_seconds"] = await studio.catalog.expected_s(task)
        known["elapsed_seconds"] = round(studio.age_s(task), 1)
    else:
        clips = completed(task.clips)
        known["covers"] = [clip.public_id for clip in clips if clip.cover]
        timed = {clip.public_id: lrc.lines(task.timed_lyrics(clip)) for clip in clips}
        words = {clip.public_id: task.words(clip) for clip in clips}
        known["lyrics"] = {name: text for name, text in words.items() if text}
        known["timed_lyrics"] = {name: lines for name, lines in timed.items() if lines} or None
    return {key: value for key, value in known.items() if value is not None and value != ""}


# The text beside the structured content ---------------------------------------------------------


def task_text(result: TaskResult) -> str:
    """Return the short text that says the same as the result, for clients that show only text."""
    lines = [_headline(result)]
    lines += [_clip_line(clip) for clip in result.clips]
    lines += [_take_line(take, result.service) for take in result.other_takes or []]
    for draft in [result.lyrics, *(result.other_lyrics or [])]:
        lines += [f"Lyrics{_title(draft.title)}:", verses(draft.text)] if draft else []
    lines += [text for text in (_error(result), result.note, result.next_step) if text]
    return "\n".join(lines)


def songs_text(result: SongsResult) -> str:
    """Return a line for each task, and one for each of its clips."""
    lines = [f"{len(result.tasks)} of {result.total} tasks, newest first."]
    for task in result.tasks:
        lines += [_headline(task), *(_clip_line(clip) for clip in task.clips)]
    return "\n".join([*lines, result.note] if result.note else lines)


def whole_text(result: WholeResult) -> str:
    """Return where the whole song is, and a line for each of its parts."""
    length = _length(result.duration_seconds)
    lines = [f"Whole song{_title(result.title or '')}{length}: {result.file}"]
    for part in result.parts:
        until = (
            "" if part.until_seconds is None else f", the first {round(part.until_seconds, 1):g} s"
        )
        lines.append(f"- clip {part.clip_id}{until}")
    return "\n".join([*lines, result.note] if result.note else lines)


def state_text(result: StateResult) -> str:
    """Return the state of money and settings, a line for each fact."""
    lines = [_account_line(account) for account in result.accounts]
    lines.append(
        f"Last 24 h: {result.submissions_24h} of {result.daily_limit} paid submissions, "
        f"${result.cost_usd_24h:g} known cost. Default model: {result.default_model}."
    )
    lines.append(f"{len(result.in_doubt)} in doubt.")
    lines += [f"{_headline(task)} {task.error or ''}" for task in result.in_doubt]
    lines += [f"Journal: {result.journal}", f"Library: {result.library}"]
    from song_mcp.installed import install

    lines.append(f"Log: {result.log or 'off'} (song-mcp {__version__}, {install().kind})")
    return "\n".join([*lines, result.note] if result.note else lines)


def _account_line(account: AccountResult) -> str:
    service = SERVICES[account.service]
    label = service.label
    if not account.has_key:
        lack = "no key" if service.needs_key else f"off; {service.switch} turns it on"
        return f"{label}: {lack}."
    if account.error:
        return f"{label}: {account.error}"
    told = [_left(account) or ("key set" if service.needs_key else "it runs")]
    told += [f"plan {_quoted_once(account.plan)}"] if account.plan else []
    told += [f"{account.songs_at_once} songs at once"] if account.songs_at_once else []
    told += [f"models {', '.join(account.models)}"] if account.models else []
    return " ".join(filter(None, (f"{label}: {', '.join(told)}.", account.remark)))


def _left(account: AccountResult) -> str:
    """Say what is left on an account, "" if it is not known."""
    if account.balance_usd is not None:
        return f"${account.balance_usd:.2f} left"
    if account.balance_units is not None:
        return f"about {account.balance_units:.10g} left (the gateway's own unit)"
    return "no limit on this key" if account.is_unlimited else ""


def _headline(result: TaskResult) -> str:
    title = _title(result.title or "")
    facts = [f"{result.kind}{title} {result.task_id}: {result.status}"]
    if result.progress_percent is not None and result.status in {"pending", "processing"}:
        facts.append(f"{result.progress_percent} %")
    facts.append(f"{model_name(result.model)} at {SERVICES[result.service].label}")
    facts.append(money(result))
    return ", ".join(facts) + "."


def _take_line(take: TakeResult, service: ServiceName) -> str:
    line = f"Other take {take.task_id}: {take.status}, {money(take)}."
    clips = [
        f"- clip {clip.clip_id}{_length(clip.duration_seconds)} {clip.file or ''}".rstrip()
        for clip in take.clips or []
    ]
    return "\n".join([line, *filter(None, [_error_of(take, service)]), *clips])


def money(result: TaskResult | TakeResult) -> str:
    """Say in a word or two what is known of the price."""
    if result.charged == "no":
        return "not charged"
    if result.charged == "unknown":
        return "charged: unknown"
    if result.cost_usd is not None:
        return f"cost ${result.cost_usd:g}"
    if isinstance(result, TaskResult) and result.cost_units is not None:
        return f"charged, about {result.cost_units:g} (the gateway's own unit)"
    return "charged"


def _clip_line(clip: ClipResult) -> str:
    length = _length(clip.duration_seconds)
    is_heard = clip.status == "completed"
    said = clip.error or ""
    where = clip.file or clip.audio_url or ("" if is_heard or not said else quoted(said, limit=500))
    is_saved = bool(clip.file) and clip.status == "completed"
    title = "" if is_saved and _says(clip.file or "", clip.title or "") else clip.title or ""
    status = "" if is_saved else f": {clip.status}"
    line = f"- clip {clip.clip_id}{_title(title)}{status}{length}{_before(clip)}"
    lyrics = verses(clip.lyrics) if clip.lyrics else ""
    trouble = said if is_heard else ""
    return "\n  ".join(part for part in (line, trouble, where, lyrics) if part)


def _says(file: str, title: str) -> bool:
    """Return whether a clip's file is named by its title, letter by letter: the key follows it."""
    words = PurePath(file).stem.rpartition(" ")[0]
    return LETTERS.findall(unicodedata.normalize("NFC", title)) == LETTERS.findall(words)


def _length(seconds: float | None) -> str:
    return "" if seconds is None else f", {round(seconds, 1):g} s"


def _before(clip: ClipResult) -> str:
    """Say which clip is heard before a part, and until where."""
    if clip.continues_clip_id is None:
        return ""
    at_s = clip.starts_at_seconds
    place = "" if at_s is None else f" from {round(at_s, 1):g} s on"
    return f", the new part alone: continues clip {clip.continues_clip_id}{place}"


def _word(words: str) -> str:
    """Return a service's one word for something as it is, and more than one of them quoted."""
    return words if ONE_WORD.fullmatch(words) else _quoted_once(words)


def _quoted_once(words: str) -> str:
    return quoted(words.strip('"'), limit=WORD_CHARACTERS) if words else ""


def _title(title: str) -> str:
    """Return a title in quotes with a blank before it, "" if there is none."""
    return f" {quoted(title, limit=TITLE_LIMIT)}" if title else ""


def verses(lyrics: str) -> str:
    """Return lyrics with a mark before each line, so that no line can be taken for ours."""
    return "\n".join(f"> {line}".rstrip() for line in plain(lyrics).split("\n"))


def _error(result: TaskResult) -> str:
    """Return the error: the service's words, quoted, if the task failed, else our own sentence."""
    return _error_of(result, result.service)


def _error_of(result: TaskResult | TakeResult, service: ServiceName) -> str:
    error = result.error or ""
    if result.status != "failed" or not error:
        return error
    if is_our_reason(error, service):
        return f"It failed: {error}"
    words = quoted(error, limit=500)
    return f"It failed: {words}" if words[-2:-1] in SENTENCE_ENDS else f"It failed: {words}."


def model_name(name: str | None) -> str:
    """Return the name of a known model; a service's name for another model is quoted."""
    if not name:
        return "unknown model"
    return name if model_named(name) is not None else quoted(name, limit=100)
