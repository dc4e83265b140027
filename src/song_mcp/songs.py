"""The domain: services and models, requests, and the tasks and clips that they become.

A request obeys every rule that can be checked without asking a service: one that breaks a rule
cannot be made. Values are frozen. "Not given" and "not known" are "" for text and None for numbers.
Durations and positions are in seconds, times in UTC.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from song_mcp.errors import Charged, InvalidRequestError
from song_mcp.text import clean, quoted

ServiceName = str
"""The name of a row of `SERVICES`, as the journal has it."""
Kind = Literal["song", "extension", "lyrics", "other"]
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

OPEN: frozenset[Status] = frozenset({"submitting", "pending", "processing"})
"""The statuses of a task that can still end by itself."""

ID_LIMIT = 200
HEX = re.compile(r"[0-9a-f]+", re.IGNORECASE)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
PLAIN_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
GATEWAY_ID = re.compile(r"task_(?=(?:[A-Za-z]*[0-9]){2})[A-Za-z0-9]{32}")
"""The form of a task id of current new-api gateways: random letters and digits."""
ID_WORD = re.compile(r"[A-Za-z]{3,}")
ID_WORDS, ID_WORD_LETTERS = 1, 12
"""How many words an id may have, and how many letters its word: with more it could be a sentence.
Runs of hexadecimal digits are no words."""
HARMLESS = frozenset({"task", "clip", "song"})
"""Words that an id may have as well."""
OWN_CLIP_ID = re.compile(r"clip-[0-9a-f]{16}")
RANDOM_SEED = -1
DESCRIPTION_LIMIT = 10_000
TITLE_LIMIT = 300
NEGATIVE_TAGS_LIMIT = 100
SEEDS = range(-(2**31), 2**31)
"""What a seed may be: a whole number of 32 bits with a sign (`docs/providers.md` 2.1)."""
LONGEST_CLIP_S = 3600.0
"""No clip plays longer, so no such number of seconds is a length or a position in one: models make
songs of up to eight minutes (`docs/providers.md` 3.7), and few people extend one seven times."""
LONGEST_WAIT_S = 55.0
"""How long a call may wait, in seconds: clients cut calls off after 30 s to 5 min."""


# Services and their models ------------------------------------------------------------------


@dataclass(frozen=True)
class Model:
    """A music model as the user picks it, with the limits of its service (`docs/providers.md`).

    `sent_as` is what the service calls it. Limits are in characters. `style_limit` applies to the
    description beside own lyrics or in an extension; if it is None, `description_limit` applies to
    every description. Some places that sell the model take no description of a new song that is
    longer than `brief_limit`, which is None if no such place is known. `extension_adds_s` is how
    many seconds an extension adds, None if that is not known beforehand.
    """

    name: str
    service: ServiceName
    sent_as: str
    lyrics_limit: int
    style_limit: int | None = None
    description_limit: int = DESCRIPTION_LIMIT
    brief_limit: int | None = None
    title_limit: int = TITLE_LIMIT
    takes_seed: bool = False
    takes_negative_tags: bool = False
    extension_adds_s: float | None = None


def _suno(name: str, sent_as: str, *, lyrics: int, style: int, title: int) -> Model:
    """Return a row for a model of Suno; descriptions have limits of the relays (3.7)."""
    return Model(
        name,
        "gptge",
        sent_as,
        lyrics,
        style,
        description_limit=500,
        brief_limit=200,
        title_limit=title,
    )


@dataclass(frozen=True)
class Option:
    """A setting that only one service has, read from `variable` and passed to its adapter.

    `name` is the adapter's argument. The first of the `choices` is the default.
    """

    name: str
    variable: str
    choices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service as the rest of the program sees it: everything that differs between services.

    `adapter` is "module:class", imported only if there is a key. The class is called with the key
    and the base URL, and by name with `proxy` and each of the `options`. `music` names the product
    whose music it sells, `models_called` is a common name of its models, and `shop` says where
    credits are bought. The last of the `models` is the newest, and the service's default.

    `elsewhere_tool` is the tool that looks at tasks made elsewhere, "" if there is none;
    `song_usd` is what a song costs in US dollars, None if the service tells no prices.

    If a call names no position, an extension starts at the clip's end if `extends_from_end`, else
    at 0 s. `extends_from_zero` tells whether 0 s is possible at all. `extends_any_clip` tells
    whether the clip's id is enough, without the task that made it. `extends_any_model` tells
    whether clips of models that are not in `models` can be extended as well. `extends` tells
    whether the service extends clips at all. `sings_given_alone` tells whether an extension without
    lyrics is instrumental. `clips_a_task` is how many clips a song or an extension has as a rule,
    `drafts_a_task` how many drafts lyrics have.

    `has_history` tells whether the service can be asked what was made, which settles doubts.
    """

    name: ServiceName
    label: str
    music: str
    key_variable: str
    base_url_variable: str
    base_url: str
    shop: str
    adapter: str
    models: tuple[Model, ...]
    models_called: str
    options: tuple[Option, ...] = ()
    elsewhere_tool: str = ""
    song_usd: float | None = None
    extends_from_end: bool = False
    extends_from_zero: bool = True
    extends_any_clip: bool = False
    extends_any_model: bool = False
    extends: bool = True
    sings_given_alone: bool = False
    clips_a_task: int = 2  # `docs/providers.md` 1.5, 3.4
    drafts_a_task: int = 1
    has_history: bool = False

    @property
    def default_model(self) -> Model:
        """The model that is used if a call names none."""
        return self.models[-1]

    def model(self, name: str) -> Model | None:
        """Return the model that is called so, by us or by the service, or None."""
        return next((model for model in self.models if name in {model.name, model.sent_as}), None)

    def has_model(self, name: str) -> bool:
        """Tell whether one of the models is called so, in upper or lower case."""
        return self.model(name.strip().casefold()) is not None


SERVICES: Mapping[ServiceName, Service] = {
    service.name: service
    for service in (
        Service(
            name="piapi",
            label="PiAPI",
            music="Udio",
            key_variable="PIAPI_API_KEY",
            base_url_variable="PIAPI_BASE_URL",
            base_url="https://api.piapi.ai",
            shop="in the workspace at piapi.ai",
            adapter="song_mcp.providers.piapi:Piapi",
            models=(
                Model(
                    "udio",
                    "piapi",
                    "music-u",
                    1000,
                    takes_seed=True,
                    takes_negative_tags=True,
                    extension_adds_s=32.0,  # `docs/providers.md` 2.3
                ),
            ),
            models_called="udio",
            options=(Option("service_mode", "PIAPI_SERVICE_MODE", ("public", "private")),),
            elsewhere_tool="get_task",
            has_history=True,
            song_usd=0.05,  # `docs/providers.md` 1.5
            extends_any_clip=True,
        ),
        Service(
            name="gptge",
            label="gpt.ge",
            music="Suno",
            key_variable="GPTGE_API_KEY",
            base_url_variable="GPTGE_BASE_URL",
            base_url="https://api.gpt.ge",
            shop="in the console at api.gpt.ge",
            adapter="song_mcp.providers.gptge:Gptge",
            models=(
                _suno("suno-v3", "chirp-v3-0", lyrics=3000, style=200, title=80),
                _suno("suno-v3.5", "chirp-v3-5", lyrics=3000, style=200, title=80),
                _suno("suno-v4", "chirp-v4", lyrics=3000, style=200, title=80),
                _suno("suno-v4.5", "chirp-auk", lyrics=5000, style=1000, title=100),
                _suno("suno-v5", "chirp-crow", lyrics=5000, style=1000, title=100),
            ),
            models_called="suno-*",
            elsewhere_tool="fetch_suno_task",
            extends_from_end=True,
            extends_from_zero=False,
            extends_any_model=True,
            sings_given_alone=True,
            drafts_a_task=2,  # `docs/providers.md` 3.5
        ),
    )
}
"""Every service: one more is a row here and its adapter in `providers`."""
MODELS: Mapping[str, Model] = {
    model.name: model for service in SERVICES.values() for model in service.models
}


def asked_by(tool: str) -> Service:
    """Return the service that `tool` asks for tasks made elsewhere."""
    return next(service for service in SERVICES.values() if service.elsewhere_tool == tool)


# Ids ---------------------------------------------------------------------------------------


def is_uuid(value: str) -> bool:
    """Tell whether it has the form of the ids that services give to songs."""
    return UUID.fullmatch(value) is not None


def checked_id(name: str, value: str) -> str:
    """Return the id `value` of argument `name`, trimmed, or raise InvalidRequestError.

    An id is opaque, but it has 1 to 200 visible characters without a space, and at least one letter
    or digit: no service gives out other ids. One that passes can be quoted into a URL and shown to
    a person; nothing else is assumed.
    """
    value = value.strip()
    is_visible = value.isprintable() and " " not in value
    if is_visible and len(value) <= ID_LIMIT and any(char.isalnum() for char in value):
        return value
    raise InvalidRequestError(
        f"{name} must be an id of 1 to {ID_LIMIT} visible characters; list_songs shows known ones."
    )


def is_plain_id(value: str) -> bool:
    """Tell whether a service's id may stand in a sentence, in a result and in a URI.

    It is ASCII, has at most 64 characters, and cannot be read as a sentence to a model.
    """
    if GATEWAY_ID.fullmatch(value):
        return True
    found = (word for word in ID_WORD.findall(value) if word.lower() not in HARMLESS)
    words = [word for word in found if not HEX.fullmatch(word)]
    are_few = len(words) <= ID_WORDS and all(len(word) <= ID_WORD_LETTERS for word in words)
    return are_few and PLAIN_ID.fullmatch(value) is not None


def public_clip_id(clip_id: str) -> str:
    """Return a clip's id if it is plain, else one of ours that stands for it and no other."""
    if is_plain_id(clip_id):
        return clip_id
    return f"clip-{hashlib.sha256(clip_id.encode(errors='backslashreplace')).hexdigest()[:16]}"


# What is asked for -------------------------------------------------------------------------


@dataclass(frozen=True)
class SongRequest:
    """One new song: a description, or own lyrics with an optional description of the style.

    Raises InvalidRequestError if the parts do not go together or the model cannot take them.
    Text is cleaned and trimmed on the way in.
    """

    model: Model
    description: str = ""
    lyrics: str = ""
    instrumental: bool = False
    title: str = ""
    negative_tags: str = ""
    seed: int = RANDOM_SEED

    def __post_init__(self) -> None:
        """Clean the texts, then check the rules."""
        _clean_fields(self, "description", "title", "negative_tags", lines=False)
        _clean_fields(self, "lyrics", lines=True)
        _check_words(self)
        _check_limits(self)
        _check_extras(self)

    @property
    def kind(self) -> Kind:
        """What the task that this request makes is called."""
        return "song"


@dataclass(frozen=True)
class Source:
    """The clip that an extension continues, as far as the journal knows it.

    `task_id` is the service's id of the task that made it ("" if it is not known);
    `duration_s` is its length in seconds, None if it is not known.
    """

    clip_id: str
    task_id: str = ""
    title: str = ""
    duration_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class ExtensionRequest(SongRequest):
    """A continuation of a clip from `continue_at_s` seconds on.

    Without it the position is the clip's duration or 0, as is usual at the service
    (`docs/providers.md` 2.3, 3.2). Raises InvalidRequestError as a song does, and for a position
    that the clip does not have or that the service cannot take.
    """

    source: Source
    continue_at_s: float | None = None

    def __post_init__(self) -> None:
        """Check the rules of a song, then those of the position."""
        super().__post_init__()
        _check_position(self)

    @property
    def kind(self) -> Kind:
        """What the task that this request makes is called."""
        return "extension"

    @property
    def position_s(self) -> float:
        """Where the continuation starts, in seconds into the source clip."""
        if self.continue_at_s is not None:
            return self.continue_at_s
        starts_at_end = SERVICES[self.model.service].extends_from_end
        return self.source.duration_s or 0.0 if starts_at_end else 0.0


@dataclass(frozen=True)
class LyricsRequest:
    """Lyrics on a topic, written by the service. Raises InvalidRequestError without a topic."""

    model: Model
    topic: str

    def __post_init__(self) -> None:
        """Clean the topic, then check the rules."""
        _clean_fields(self, "topic", lines=True)
        if not self.topic:
            msg = "Say what the lyrics are about in topic. Nothing was sent or paid."
            raise InvalidRequestError(msg)
        _check_length("topic", self.topic, DESCRIPTION_LIMIT)

    @property
    def kind(self) -> Kind:
        """What the task that this request makes is called."""
        return "lyrics"

    @property
    def title(self) -> str:
        """Lyrics get their title from the service."""
        return ""

    @property
    def description(self) -> str:
        """What the lyrics are about."""
        return self.topic


Request = SongRequest | LyricsRequest


def _clean_fields(request: object, *names: str, lines: bool) -> None:
    for name in names:
        value = clean(getattr(request, name), limit=100_000, lines=lines)
        object.__setattr__(request, name, value)


def _refuse(what: str) -> InvalidRequestError:
    return InvalidRequestError(f"{what} Nothing was sent or paid.")


def _check_length(name: str, value: str, limit: int, why: str = "") -> None:
    if len(value) > limit:
        because = f" for {why}" if why else ""
        text = f"{name} has {len(value)} characters; at most {limit} are possible{because}."
        raise _refuse(f"{text} Shorten it.")


def _check_words(request: SongRequest) -> None:
    if not request.description and not request.lyrics:
        raise _refuse("Give a description of the music, or lyrics, or both.")
    if request.lyrics and request.instrumental:
        raise _refuse("lyrics and instrumental exclude each other: leave one of them out.")


def _check_limits(request: SongRequest) -> None:
    model = request.model
    _check_length("lyrics", request.lyrics, model.lyrics_limit, model.name)
    _check_length("title", request.title, model.title_limit, model.name)
    _check_length("negative_tags", request.negative_tags, NEGATIVE_TAGS_LIMIT)
    if is_style(request) and model.style_limit is not None:
        why = f"the style of {model.name} (custom mode)"
        _check_length("description", request.description, model.style_limit, why)
    else:
        why = _brief(model)
        _check_length("description", request.description, model.description_limit, why)


def is_style(request: SongRequest) -> bool:
    """Tell whether the description says only how it sounds: beside lyrics, or in an extension."""
    return bool(request.lyrics) or isinstance(request, ExtensionRequest)


def _brief(model: Model) -> str:
    """Return what a description without lyrics is for, with the narrower limit if there is one."""
    if model.brief_limit is None:
        return model.name
    return f"{model.name} without lyrics (the oldest relays take {model.brief_limit})"


def _check_extras(request: SongRequest) -> None:
    model = request.model
    if request.seed != RANDOM_SEED and not model.takes_seed:
        others = _names(each for each in MODELS.values() if each.takes_seed)
        raise _refuse(f"{model.name} takes no seed: leave it out, or use the model {others}.")
    if request.seed not in SEEDS:
        bounds = f"a whole number from {SEEDS.start} to {SEEDS.stop - 1}"
        raise _refuse(f"seed is {request.seed}; it must be {bounds} ({RANDOM_SEED} is random).")
    if request.negative_tags and not model.takes_negative_tags:
        others = _names(each for each in MODELS.values() if each.takes_negative_tags)
        text = f"{model.name} takes no negative_tags: say in the description what to avoid"
        raise _refuse(f"{text}, or use the model {others}.")


def _names(models: Iterable[Model]) -> str:
    return " or ".join(model.name for model in models)


def _check_position(request: ExtensionRequest) -> None:
    position, length = request.position_s, request.source.duration_s
    clip = public_clip_id(request.source.clip_id)
    if position < 0:
        raise _refuse("continue_at_seconds cannot be negative.")
    if position > LONGEST_CLIP_S:
        raise _refuse(_too_far(request))
    if length is not None and position > length:
        text = f"continue_at_seconds is {position:g}, but clip {clip} is {length:g} s long."
        raise _refuse(f"{text} Give at most {length:g}.")
    if position == 0 and not SERVICES[request.model.service].extends_from_zero:
        raise _refuse(_why_not_at_zero(request))


def _too_far(request: ExtensionRequest) -> str:
    clip, limit = request.source.clip_id, f"{LONGEST_CLIP_S:g} s"
    if request.continue_at_s is None:
        length = f"is said to be {request.position_s:g} s long, and no clip is longer than {limit}"
        return f"Clip {clip} {length}: set continue_at_seconds."
    said = f"continue_at_seconds is {request.position_s:g}, but no clip is longer than {limit}."
    return f"{said} Give a position in seconds."


def _why_not_at_zero(request: ExtensionRequest) -> str:
    if request.continue_at_s is None:
        clip = public_clip_id(request.source.clip_id)
        return f"The length of clip {clip} is not known here: set continue_at_seconds."
    service = SERVICES[request.model.service]
    text = f"{service.music} cannot continue a clip at 0 s ({service.label} drops the value)."
    return f"{text} Give a continue_at_seconds above 0, or use generate_song."


# What comes of it --------------------------------------------------------------------------


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
    `save_error` then says why. `earlier_urls` are links that the service gave before, newest first.
    `is_late` tells that the clip was not known when its task ended, `is_being_saved` that a process
    tries to save it. `next_try_at` is when the next try is made unasked, None if none is.
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
    mime_type: str = ""
    save_error: str = ""
    earlier_urls: tuple[str, ...] = ()
    is_late: bool = False
    is_being_saved: bool = False
    next_try_at: datetime | None = None

    @property
    def public_id(self) -> str:
        """The service's id, or ours if people and models must not read that."""
        return public_clip_id(self.clip_id)

    @property
    def is_saved(self) -> bool:
        """Whether the library holds the audio."""
        return self.file is not None

    @property
    def is_withheld(self) -> bool:
        """Whether the audio is finished and Suno lets this service have no link to it.

        A later look may bring one (`docs/providers.md` 3.11).
        """
        return self.status == "completed" and not self.audio_url and not self.is_saved

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
    def has_nothing_to_save(self) -> bool:
        """Whether each clip with finished audio has a file, or a reason why there is none."""
        finished = (clip for clip in completed(self.clips) if clip.audio_url)
        return all(clip.is_saved or clip.save_error for clip in finished)

    @property
    def source(self) -> Source | None:
        """The clip that an extension continues, None for others and for what was made elsewhere."""
        source = self.request.get("source")
        if not isinstance(source, Mapping):
            return None
        clip_id, task_id = str(source.get("clip_id") or ""), str(source.get("task_id") or "")
        title, length = str(source.get("title") or ""), _seconds(source.get("duration_s"))
        return Source(clip_id, task_id, title, length) if clip_id else None

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

    def clip(self, clip_id: str) -> Clip | None:
        """Return the task's clip with this id, or None."""
        return next((clip for clip in self.clips if clip.clip_id == clip_id), None)


def _seconds(value: object) -> float | None:
    """Return a positive number of seconds from a request's JSON values, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= LONGEST_CLIP_S else None


def completed(clips: Iterable[Clip]) -> tuple[Clip, ...]:
    """Return the clips whose audio is finished."""
    return tuple(clip for clip in clips if clip.status == "completed")


# What can be continued ---------------------------------------------------------------------


def why_not_extended(task: Task, clip: Clip) -> str:
    """Return why no extension of a clip of `task` can work, and what would work; "" if one can."""
    service, name = SERVICES[task.service], clip.public_id
    if not service.extends:
        return f"{service.label} extends no clips: generate_song makes a new song."
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
    if made_with and not service.extends_any_model and not service.has_model(made_with):
        own = _names(service.models)
        return (
            f"Clip {name} was made by {quoted(made_with, limit=100)}, and {service.label} extends "
            f"only clips of {own}. Extend a clip of {own}, or make a new song with generate_song."
        )
    if service.extends_any_clip and _is_named_by_us(task, clip):
        return (
            f"{service.label} told no id of clip {name}, and it extends a clip only by its id. "
            "generate_song makes a new song."
        )
    return ""


def _is_named_by_us(task: Task, clip: Clip) -> bool:
    """Tell whether a clip has its task's id, for want of one of its own."""
    own, hyphen, number = clip.clip_id.rpartition("-")
    is_numbered = bool(hyphen) and own == task.task_id and number.isdecimal()
    return clip.clip_id == task.task_id or is_numbered
