"""What a task in PiAPI's answers means: clips, lyrics, money, and why it failed.

`docs/providers.md` 1.3, 1.5, 2.4, 2.5, 2.12 and 4.4. Nothing here raises an error.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from song_mcp.errors import Charged
from song_mcp.providers.piapi_replies import POINTS_PER_USD, ErrorReply, InputReply, TaskReply
from song_mcp.providers.piapi_requests import NO_VOICE, UDIO
from song_mcp.providers.replies import ITEMS_CAP, to_message
from song_mcp.providers.shapes import as_clips, read_clips, read_lyrics, standing
from song_mcp.songs import SERVICES, Clip, Kind, Lyrics, Report, ServiceStatus

SERVICE = SERVICES["piapi"]
LABEL = SERVICE.label
STOPPED_MODELS = frozenset({"music-s", "suno"})
"""Models of music that PiAPI does not have any more (`docs/providers.md` 2.10)."""
KINDS: Mapping[str, Kind] = {"extend": "extension", "audio2audio": "cover"}
"""What a task of a model makes that is told what to do by the type of its task (2.12)."""
NO_VOICES = frozenset({NO_VOICE, "[instrumental]"})
GENERAL = re.compile(r"internal error\. please try again later|failed to do request", re.IGNORECASE)
NOTICE = re.compile(r"\s*attempt \d+\b|.*\bfrozen points\b", re.IGNORECASE | re.DOTALL)


def report_of(task: TaskReply, task_id: str) -> Report:
    """Return what PiAPI says of a task, in our words."""
    status = standing(task.status)
    model = SERVICE.model(task.model)
    clips = _clips(task, task_id, has_ended=status in {"completed", "failed"})
    kind = _kind(task, clips)
    clips = clips if kind in {"song", "extension", "cover"} else ()
    lyrics = read_lyrics(task.output) if kind == "lyrics" else None
    return Report(
        task_id=task_id,
        status=status,
        provider_status=task.status,
        kind=kind,
        model=model.name if model else task.model,
        clips=clips,
        lyrics=lyrics,
        error=_error(task, status, kind, clips, lyrics),
        charged=_charged(task, status),
        cost_usd=_cost_usd(task, status),
        created_at=task.meta.created_at,
        finished_at=task.meta.ended_at or task.meta.completed_at,
        asked=_asked(task.input),
    )


def _asked(given: InputReply) -> str:
    """Return the lyrics or the description that PiAPI repeats, "" if neither."""
    lyrics = "" if given.lyrics in NO_VOICES else given.lyrics
    return lyrics or given.prompt or given.gpt_description_prompt or given.style_prompt


def _clips(task: TaskReply, task_id: str, *, has_ended: bool) -> tuple[Clip, ...]:
    clips = as_clips(read_clips(task.output), task_id, has_ended=has_ended)
    if SERVICE.model(task.model) in {None, UDIO}:
        return clips
    return tuple(_completed(clip, task, has_ended=has_ended) for clip in clips)


def _completed(clip: Clip, task: TaskReply, *, has_ended: bool) -> Clip:
    """Return a clip with what only the request tells: how long it is, and what is sung in it.

    An output that is there before the end of its task is not believed (`docs/providers.md` 2.12).
    """
    given = task.input
    clip = replace(
        clip,
        duration_s=clip.duration_s or (given.duration if clip.status == "completed" else None),
        lyrics=clip.lyrics or ("" if given.lyrics in NO_VOICES else given.lyrics),
    )
    return clip if has_ended else replace(clip, status="processing", audio_url="", error="")


def _kind(task: TaskReply, clips: Sequence[Clip]) -> Kind:
    """Return what the task makes; clips of models that make no music do not count."""
    if task.task_type.casefold() == "generate_lyrics":
        return "lyrics"
    model = SERVICE.model(task.model)
    if model is not None and model != UDIO:
        return KINDS.get(task.task_type.casefold(), "song")
    is_stopped = task.model.casefold() in STOPPED_MODELS
    makes_music = task.task_type.casefold().startswith("generate_music") or bool(clips)
    if model is UDIO or not task.model or (is_stopped and makes_music):
        return "extension" if task.input.continue_song_id else "song"
    return "other"


def _error(
    task: TaskReply,
    status: ServiceStatus,
    kind: Kind,
    clips: Sequence[Clip],
    lyrics: Lyrics | None,
) -> str:
    if status == "failed":
        return _reason(task, clips)
    if status == "completed" and kind in {"song", "extension", "cover"} and not clips:
        return f"{LABEL} calls the task completed, but gave no audio."
    if status == "completed" and kind == "lyrics" and lyrics is None:
        return f"{LABEL} calls the task completed, but gave no lyrics."
    return ""


def _reason(task: TaskReply, clips: Sequence[Clip]) -> str:
    """Return why a task failed, the specific before the general (`docs/providers.md` 2.5, 4.4)."""
    told = list(_told(task, clips))
    telling = (words for words in told if not GENERAL.match(words))
    return next(telling, told[0] if told else f"{LABEL} gave no reason.")


def _told(task: TaskReply, clips: Sequence[Clip]) -> Iterator[str]:
    """Yield all that is said about the failure, the most reliable first."""
    if isinstance(task.error, dict):
        error = ErrorReply.model_validate(task.error)
        yield from filter(None, (error.message, error.raw_message, error.detail))
    else:
        yield from filter(None, [to_message(task.error)])
    yield from (line for line in _log_lines(task.logs) if not NOTICE.match(line))
    yield from (clip.error for clip in clips if clip.error)


def _log_lines(logs: object) -> Iterator[str]:
    """Yield the log's lines, whether they are texts, objects or one text."""
    entries = logs[:ITEMS_CAP] if isinstance(logs, list) else [logs]
    yield from filter(None, map(to_message, entries))


def _charged(task: TaskReply, status: ServiceStatus) -> Charged:
    """Return whether the task cost money, by its points alone (`docs/providers.md` 1.5).

    The log says it too, but its lines may repeat the user's words.
    """
    usage = task.meta.usage
    if usage.consume:
        return "yes"
    if status in {"pending", "processing"}:
        return "yes" if usage.frozen else "unknown"
    gave_back = usage.consume == 0 and bool(usage.frozen)
    return "no" if status == "failed" and gave_back else "unknown"


def _cost_usd(task: TaskReply, status: ServiceStatus) -> float | None:
    """Return what the task cost or, while it runs, what is frozen for it, in US dollars."""
    usage = task.meta.usage
    if usage.consume:
        return usage.consume / POINTS_PER_USD
    if status == "failed":
        return 0.0 if _charged(task, status) == "no" else None
    return usage.frozen / POINTS_PER_USD if usage.frozen else None
