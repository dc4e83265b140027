"""What comes of a request: tasks, clips and lyrics, and what can be made of a clip."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from song_mcp.errors import Charged
from song_mcp.lrc import EXTENSION, is_timed, plain
from song_mcp.songs.ids import is_plain_id, public_clip_id
from song_mcp.songs.models import SERVICES, Kind, Model, ServiceName, able, called, names
from song_mcp.songs.requests import LONGEST_CLIP_S, Source
from song_mcp.songs.wishes import Wishes
from song_mcp.text import quoted

ServiceStatus = Literal["pending", "processing", "completed", "failed"]
Status = Literal[
    "submitting",
    "pending",
    "processing",
    "completed",
    "failed",
    "rejected",
    "in_doubt",
    "abandoned",
]
ClipStatus = Literal["processing", "completed", "failed"]

NO_WISHES = Wishes()
OPEN: frozenset[Status] = frozenset({"submitting", "pending", "processing"})
"""The statuses of a task that can still end by itself."""


@dataclass(frozen=True)
class Lyrics:
    """Lyrics that a lyrics task made: the first draft, and in `others` the further ones.

    A draft without text is one that the service makes but has not told yet.
    """

    title: str
    text: str
    others: tuple["Lyrics", ...] = ()

    @property
    def drafts(self) -> int:
        """How many drafts have a text."""
        return sum(bool(draft.text) for draft in (self, *self.others))

    @property
    def length(self) -> int:
        """How many characters all drafts have together."""
        return sum(len(draft.text) for draft in (self, *self.others))

    @property
    def is_whole(self) -> bool:
        """Whether every draft that the service makes is there; if not, a later look may tell it."""
        return all(draft.text for draft in (self, *self.others))


@dataclass(frozen=True)
class Clip:
    """One piece of audio that a task made.

    `audio_url` is set only if the clip is completed: a preview is never passed on. A completed clip
    without it `is_withheld`. `error` is what the service says went wrong: why the clip failed, or
    the `remark` on one that has audio all the same. `title` is what the user asked for, else the
    service's own; `service_title` is always the service's. `made_with` is what the service calls
    the model. `file` and `cover` are paths in the library, None if it does not hold them;
    `save_error` then says why, and `link_failed` whether its links alone were the reason.
    `lyrics_file` is where its timed lyrics are if it has such, None if they were not found.
    `gone_file` is where the file was that the person deleted, or moved out of the library, which
    was noticed at `gone_at`; that stays set while it is got again, as was asked for. `is_away`
    tells that the folder of `file` is not there now, so that nobody knows. `digest` stands for the
    bytes of a file that has no tags, "" for others.
    `earlier_urls` are links that the service gave before, newest first.
    `wishes` are those that the clip's own data repeat. `is_late` tells that the clip was not known
    when its task ended, `is_being_saved` that a process tries to save it. `next_try_at` is when the
    next try is made unasked, None if none is.
    """

    clip_id: str
    status: ClipStatus = "processing"
    title: str = ""
    service_title: str = ""
    duration_s: float | None = None
    audio_url: str = ""
    image_url: str = ""
    video_url: str = ""
    tags: tuple[str, ...] = ()
    lyrics: str = ""
    error: str = ""
    made_with: str = ""
    file: Path | None = None
    cover: Path | None = None
    lyrics_file: Path | None = None
    gone_file: Path | None = None
    gone_at: datetime | None = None
    is_away: bool = False
    digest: str = ""
    mime_type: str = ""
    save_error: str = ""
    link_failed: bool = False
    earlier_urls: tuple[str, ...] = ()
    wishes: Wishes = NO_WISHES
    is_late: bool = False
    is_being_saved: bool = False
    next_try_at: datetime | None = None

    @property
    def public_id(self) -> str:
        """The service's id, or ours if people and models must not read that."""
        return public_clip_id(self.clip_id)

    @property
    def link(self) -> str:
        """The address of the audio that people can be shown, "" if it has none."""
        return self.audio_url if self.audio_url.startswith(("http://", "https://")) else ""

    @property
    def is_saved(self) -> bool:
        """Whether the library holds the audio."""
        return self.file is not None

    @property
    def is_gone(self) -> bool:
        """Whether the person deleted its file: it is saved again only if somebody asks for that."""
        return self.gone_file is not None

    @property
    def is_settled(self) -> bool:
        """Whether nothing is to be saved: its file is in the library, or the person deleted it."""
        return self.is_saved or self.is_gone

    @property
    def is_withheld(self) -> bool:
        """Whether the audio is finished and Suno lets this service have no link to it.

        A later look may bring one (`docs/providers.md` 3.11).
        """
        return self.status == "completed" and not self.audio_url and not self.is_settled

    @property
    def remark(self) -> str:
        """What the service says against a clip whose audio it delivered, "" if nothing."""
        return self.error if self.status == "completed" else ""


@dataclass(frozen=True)
class Report:
    """What a service says of one task at one look, translated into our words.

    `charged` is "unknown" if the answer does not tell. `cost_usd` is in US dollars, `cost_units` in
    the gateway's own unit, of which nobody outside knows the worth. `provider_status` is the status
    as received. `progress_percent` is 0 to 100. `asked` is the description or lyrics that the
    service repeats, "" if it repeats none.
    """

    task_id: str
    status: ServiceStatus
    provider_status: str
    kind: Kind = "song"
    model: str = ""
    progress_percent: int | None = None
    clips: tuple[Clip, ...] = ()
    lyrics: Lyrics | None = None
    error: str = ""
    charged: Charged = "unknown"
    cost_usd: float | None = None
    cost_units: float | None = None
    created_at: datetime | None = None
    finished_at: datetime | None = None
    asked: str = ""

    @property
    def is_ended(self) -> bool:
        """Whether the service has finished the task."""
        return self.status in {"completed", "failed"}


@dataclass(frozen=True)
class Task:
    """One paid job at a service, as the journal knows it.

    `local_id` is ours and exists before the service's `task_id`, which is "" until then. `request`
    holds what the user asked for, as JSON values; it is empty for a task made elsewhere.
    `looked_at` is when the service was last asked about it. `balance_usd` is the account's balance
    just before the task was sent, if the service tells it. `cost_units` is in the gateway's own
    unit. `linked_to` is the task in doubt that this one was submitted again for. `unfollowed_at` is
    when somebody asked to have it polled no more. `followed_by` is the mark of the account at the
    service that looks at it. `ended_at` is when this machine learned of the end. `is_unknown` tells
    that the service, which accepted the task, said the last time that it does not know it.

    `lost_at` is when it came into doubt, `searches` how often its service's history was searched
    for it since, and `found_at` when it was found there.
    """

    local_id: str
    service: ServiceName
    model: str
    kind: Kind
    status: Status
    created_at: datetime
    task_id: str = ""
    title: str = ""
    description: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)
    provider_status: str = ""
    progress_percent: int | None = None
    clips: tuple[Clip, ...] = ()
    lyrics: Lyrics | None = None
    error: str = ""
    charged: Charged = "unknown"
    cost_usd: float | None = None
    cost_units: float | None = None
    finished_at: datetime | None = None
    looked_at: datetime | None = None
    balance_usd: float | None = None
    linked_to: str = ""
    unfollowed_at: datetime | None = None
    followed_by: str = ""
    ended_at: datetime | None = None
    is_unknown: bool = False
    lost_at: datetime | None = None
    searches: int = 0
    found_at: datetime | None = None

    @property
    def public_id(self) -> str:
        """The service's id, or ours before that is known or if nobody must read it."""
        return self.task_id if is_plain_id(self.task_id) else self.local_id

    @property
    def is_open(self) -> bool:
        """Whether the task can still end by itself."""
        return self.status in OPEN

    @property
    def made_by(self) -> Model | None:
        """The model that makes it, None if it is one that nobody can ask for here."""
        service = SERVICES[self.service]
        return service.asked_for(self.model) or service.model(self.model)

    @property
    def usual_clips(self) -> int:
        """How many clips it has as a rule, 0 if that is not known."""
        if self.kind not in {"song", "extension", "cover"} or self.made_by is None:
            return 0
        if self.made_by.is_raw and not self.request:  # nothing is known of it
            return 0
        takes = self.request.get("takes")
        return takes if isinstance(takes, int) and takes > 1 else self.made_by.clips

    @property
    def has_nothing_to_save(self) -> bool:
        """Whether each clip with finished audio has a file, or a reason why there is none.

        That the person deleted it is one.
        """
        finished = (clip for clip in completed(self.clips) if clip.audio_url)
        return all(clip.is_settled or clip.save_error for clip in finished)

    @property
    def source(self) -> Source | None:
        """The clip that this is made of, None for others and for what was made elsewhere."""
        source = self.request.get("source")
        if not isinstance(source, Mapping):
            return None
        clip_id, task_id = str(source.get("clip_id") or ""), str(source.get("task_id") or "")
        title, length = str(source.get("title") or ""), _seconds(source.get("duration_s"))
        service, file = str(source.get("service") or ""), str(source.get("file") or "")
        return Source(clip_id, task_id, title, length, service, file) if clip_id else None

    @property
    def continues_at_s(self) -> float | None:
        """Where in its source an extension starts, in seconds; None at its end or if not known.

        An extension at 0 s continues the end of its source: it would leave nothing of it else.
        """
        return _seconds(self.request.get("continue_at_s")) or (
            self.source.duration_s if self.source else None
        )

    def age_s(self, now: datetime) -> float:
        """Return the task's age at the time `now`, in seconds."""
        return (now - self.created_at).total_seconds()

    def timed_lyrics(self, clip: Clip) -> str:
        """Return a clip's lyrics with the time of each line, "" if they are not known.

        They are those that the service tells, or what it was sent. Only some models keep to such
        times; those of others mean nothing.
        """
        if self.made_by is None or not self.made_by.can("timed_lyrics"):
            return ""
        sent = (str(self.request.get(name) or "") for name in ("timed_lyrics", "lyrics"))
        told = (clip.lyrics, *sent)
        return next(filter(is_timed, told), "")

    def words(self, clip: Clip) -> str:
        """Return a clip's lyrics as people read them, without times; "" if they are not known."""
        return plain(self.timed_lyrics(clip)) or clip.lyrics

    def clip(self, clip_id: str) -> Clip | None:
        """Return the task's clip with this id, or None."""
        return next((clip for clip in self.clips if clip.clip_id == clip_id), None)


def _seconds(value: object) -> float | None:
    """Return a positive number of seconds from a request's JSON values, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= LONGEST_CLIP_S else None


def lyrics_beside(file: Path) -> Path:
    """Return where a clip's timed lyrics are put: beside its file, under the same name."""
    return file.with_suffix(EXTENSION)


def completed(clips: Iterable[Clip]) -> tuple[Clip, ...]:
    """Return the clips whose audio is finished."""
    return tuple(clip for clip in clips if clip.status == "completed")


def made_otherwise(task: Task, clip: Clip) -> str:
    """Return the model that made a clip in the service's words, "" if it is the one asked for.

    It is "" too if the clip does not say, or says what is no name of a model.
    """
    service, word = SERVICES[task.service], clip.made_with
    is_name = service.model(word) is not None or any(map(str.isdecimal, word))
    is_known = task.request and task.model and clip.status == "completed"
    if not is_known or not is_name or service.any_word is None:
        return ""
    return "" if service.is_same(task.model, word) else word


def unheeded(task: Task) -> tuple[str, ...]:
    """Return the names of wishes that the service may have ignored: no clip of it repeats them."""
    clips = completed(task.clips)
    if task.status != "completed" or not clips:
        return ()
    asked = Wishes.of_json(task.request).unheeded(clip.wishes for clip in clips)
    return tuple(name for name in asked if name in SERVICES[task.service].may_ignore)


# What can be continued ---------------------------------------------------------------------


def why_not_extended(task: Task, clip: Clip) -> str:
    """Return why no extension of a clip of `task` can work, and what would work; "" if one can."""
    service, name = SERVICES[task.service], clip.public_id
    if not service.extends:
        return f"{service.label} extends no clips: {_instead()}."
    if clip.status == "processing":
        return (
            f"Clip {name} is processing: only a finished clip can be extended. get_task with "
            f"task_id {task.public_id} waits for it."
        )
    if clip.status != "completed":
        return (
            f"Clip {name} is {clip.status}: only a finished clip can be extended. list_songs shows "
            "which are."
        )
    made_with = task.model or clip.made_with
    maker = service.model(made_with)
    if made_with and not service.extends_any_model and not (maker and maker.can("extend")):
        own = names(model for model in service.models if model.can("extend"))
        return (
            f"Clip {name} was made by {quoted(made_with, limit=100)}, and {service.label} extends "
            f"only clips of {own}. Extend a clip of {own}, or: {_instead()}."
        )
    if service.extends_any_clip and not _goes_along(maker) and _is_named_by_us(task, clip):
        return (
            f"{service.label} told no id of clip {name}, and it extends a clip only by its id. "
            f"{_instead()[0].upper()}{_instead()[1:]}."
        )
    return ""


def _instead() -> str:
    """Return what can be made of a clip that cannot be extended."""
    makers = called(able("cover"))
    return f"cover_song makes it in another style, by {makers}, and generate_song a new song"


def _goes_along(maker: Model | None) -> bool:
    """Tell whether an extension needs the clip's audio, and not its id."""
    return maker is not None and maker.takes_audio


def _is_named_by_us(task: Task, clip: Clip) -> bool:
    """Tell whether a clip has its task's id, for want of one of its own."""
    own, hyphen, number = clip.clip_id.rpartition("-")
    is_numbered = bool(hyphen) and own == task.task_id and number.isdecimal()
    return clip.clip_id == task.task_id or is_numbered
