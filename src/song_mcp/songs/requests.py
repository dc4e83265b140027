"""What is asked for: requests, each of which obeys every rule that needs no answer of a service.

One that breaks a rule cannot be made.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from song_mcp.errors import InvalidRequestError
from song_mcp.songs.ids import public_clip_id
from song_mcp.songs.models import DESCRIPTION_LIMIT, SERVICES, Ability, Kind, Model, able, names
from song_mcp.songs.wishes import SINGERS
from song_mcp.text import clean

VocalGender = Literal["", "m", "f"]
RANDOM_SEED = -1
MOST_TAKES = 4
"""How many submissions one call may make."""
SEEDS = range(-(2**31), 2**31)
"""What a seed may be: a whole number of 32 bits with a sign (`docs/providers.md` 2.1)."""
LONGEST_CLIP_S = 3600.0
"""No clip plays longer, so no such number of seconds is a length or a position in one: models make
songs of up to eight minutes (`docs/providers.md` 3.7), and few people extend one seven times."""


@dataclass(frozen=True)
class SongRequest:
    """One new song: a description, or own lyrics with an optional description of the style.

    `duration_s` is how long it shall be, in seconds, None as the model likes: a model that has to
    be told gets its usual duration. `vocal_gender`,
    `style_weight` and `weirdness` (0 to 1 both) are wishes that a relay may ignore. `takes` is how
    many clips this one submission asks for, which only some models can do. Where several
    submissions are wanted, `take` tells them apart, from 1 on.

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
    duration_s: float | None = None
    vocal_gender: VocalGender = ""
    style_weight: float | None = None
    weirdness: float | None = None
    takes: int = 1
    take: int = 1

    def __post_init__(self) -> None:
        """Clean the texts, then check the rules."""
        _clean_fields(self, "description", "title", "negative_tags", lines=False)
        _clean_fields(self, "lyrics", lines=True)
        _check_singer(self)
        if self.duration_s is None:
            object.__setattr__(self, "duration_s", self.usual_s)
        _check_words(self)
        _check_abilities(self)
        _check_limits(self)
        _check_numbers(self)

    @property
    def kind(self) -> Kind:
        """What the task that this request makes is called."""
        return "song"

    @property
    def usual_s(self) -> float | None:
        """The duration that is asked for if nobody names one, None if the model decides."""
        return self.model.usual_s


@dataclass(frozen=True)
class Source:
    """The clip that something is made of, as far as the journal knows it.

    `task_id` is the id of the task that made it at `service`, both "" if they are not known;
    `duration_s` is its length in seconds, None if it is not known. `file` is its path in the
    library, "" if that does not hold it.
    """

    clip_id: str
    task_id: str = ""
    title: str = ""
    duration_s: float | None = None
    service: str = ""
    file: str = ""


CLIP_END_S = sys.float_info.max
"""The position that means the clip's end, wherever that is."""


@dataclass(frozen=True, kw_only=True)
class ExtensionRequest(SongRequest):
    """A continuation of a clip from `continue_at_s` seconds on.

    Without it the position is the clip's duration or 0, as is usual at the service
    (`docs/providers.md` 2.3, 3.2). `duration_s` is that of the new part. Raises InvalidRequestError
    as a song does, and for a position that the clip does not have or that the service cannot take.
    """

    source: Source
    continue_at_s: float | None = None

    def __post_init__(self) -> None:
        """Check the rules of a song, then those of the position."""
        super().__post_init__()
        _check_ability(self.model, "extend", "{model} extends no clips")
        _check_position(self)

    @property
    def kind(self) -> Kind:
        """What the task that this request makes is called."""
        return "extension"

    @property
    def usual_s(self) -> float | None:
        """The duration of the new part that is asked for if nobody names one."""
        return self.model.usual_extension_s

    @property
    def position_s(self) -> float:
        """Where the continuation starts, in seconds into the source clip."""
        if self.continue_at_s is not None:
            return self.continue_at_s
        return self.source.duration_s or 0.0 if goes_on_at_end(self.model) else 0.0


def goes_on_at_end(model: Model) -> bool:
    """Tell whether an extension starts at the clip's end if no position is given."""
    return model.takes_audio or SERVICES[model.service].extends_from_end


def at_the_end(model: Model, source: Source) -> float | None:
    """Return the position of an extension at the clip's end, None if it is there without one.

    Raises InvalidRequestError if the clip's length would have to be sent and is not known.
    """
    if goes_on_at_end(model):
        return None
    if source.duration_s is None:
        raise _refuse(f"The length of clip {source.clip_id} is not known: set continue_at_seconds.")
    return source.duration_s


@dataclass(frozen=True, kw_only=True)
class CoverRequest(SongRequest):
    """An own clip in another style, or a `part` of it made anew.

    `part` is from and to in seconds. Without own lyrics the model keeps those of the clip, as far
    as it is able to hear them. Raises InvalidRequestError as a song does, and for a part that the
    clip does not have.
    """

    source: Source
    part: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the rules of a song, then those of the part."""
        super().__post_init__()
        if self.part:
            _check_ability(self.model, "repaint", "{model} makes no part of a clip anew")
        else:
            _check_ability(self.model, "cover", "{model} makes no covers")
        _check_part(self)

    @property
    def kind(self) -> Kind:
        """What the task that this request makes is called."""
        return "cover"

    @property
    def usual_s(self) -> float | None:
        """The duration of the clip as far as the model can make it, else the model's usual one."""
        model, length_s = self.model, self.source.duration_s
        if model.usual_s is None or model.durations is None or length_s is None:
            return model.usual_s
        shortest, longest = model.durations
        return min(max(shortest, float(round(length_s))), longest)


@dataclass(frozen=True)
class LyricsRequest:
    """Lyrics on a topic, written by the service. Raises InvalidRequestError without a topic."""

    model: Model
    topic: str

    def __post_init__(self) -> None:
        """Clean the topic, then check the rules."""
        _clean_fields(self, "topic", lines=True)
        _check_ability(self.model, "lyrics_maker", "{model} writes no lyrics")
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


def part_of(source: Source, from_s: float | None, to_s: float | None) -> tuple[float, float] | None:
    """Return the part of a clip from and to these seconds; left out, its beginning and its end.

    Returns None if neither is given. Raises InvalidRequestError if the end is not known.
    """
    if from_s is None and to_s is None:
        return None
    end_s = source.duration_s if to_s is None else to_s
    if end_s is None:
        clip = public_clip_id(source.clip_id)
        raise _refuse(f"The length of clip {clip} is not known here: set to_seconds.")
    return from_s or 0.0, end_s


def in_takes(request: SongRequest, takes: int) -> tuple[SongRequest, ...]:
    """Return the submissions that make so many takes of a song, each of which is paid for itself.

    One is enough where a submission makes as many clips or can be asked for them. Raises
    InvalidRequestError if the model does not make so many in one call.
    """
    model = request.model
    if takes == 1 or model.most_takes > 1:
        return (replace(request, takes=takes),)
    if takes <= model.clips:
        return (request,)
    if model.clips > 1:
        raise _refuse(
            f"One submission of {model.name} makes {model.clips} takes: leave takes out, and make "
            f"another call with another_take=true for {model.clips} more."
        )
    if takes > MOST_TAKES:
        raise _refuse(f"takes is {takes}; {model.name} makes 1 to {MOST_TAKES} in one call.")
    return tuple(replace(request, take=number) for number in range(1, takes + 1))


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
    if request.vocal_gender and request.instrumental:
        raise _refuse("vocal_gender and instrumental exclude each other: leave one of them out.")
    if request.model.needs_description and not request.description:
        raise _refuse(f"{request.model.name} needs a description of how it sounds, too.")


def _check_singer(request: SongRequest) -> None:
    """Keep `vocal_gender` as "m" or "f", however it was said."""
    said = request.vocal_gender.strip().casefold()
    singer = SINGERS.get(said, "")
    if said and not singer:
        raise _refuse(f"vocal_gender is {said[:20]!r}; it must be m or f.")
    object.__setattr__(request, "vocal_gender", singer)


_CANNOT: Mapping[Ability, str] = {
    "lyrics": "{model} sings no lyrics of your own",
    "instrumental": "{model} makes no instrumentals",
    "negative_tags": "{model} takes no negative_tags: say in the description what to avoid",
    "seed": "{model} takes no seed: leave it out",
    "duration": "{model} takes no duration_seconds: leave it out",
    "vocal_gender": "{model} takes no vocal_gender: say in the description who sings",
    "style_weight": "{model} takes no style_weight: leave it out",
    "weirdness": "{model} takes no weirdness: leave it out",
}
"""What is said of a wish that a model cannot fulfil, before the models that can are named."""


def _check_abilities(request: SongRequest) -> None:
    wishes: Mapping[Ability, bool] = {
        "lyrics": bool(request.lyrics),
        "instrumental": request.instrumental,
        "negative_tags": bool(request.negative_tags),
        "seed": request.seed != RANDOM_SEED,
        "duration": request.duration_s is not None,
        "vocal_gender": bool(request.vocal_gender),
        "style_weight": request.style_weight is not None,
        "weirdness": request.weirdness is not None,
    }
    for ability, is_wished in wishes.items():
        if is_wished:
            _check_ability(request.model, ability, _CANNOT[ability])


def _check_ability(model: Model, ability: Ability, cannot: str) -> None:
    """Refuse what a model cannot do, and name those that can and still work."""
    if not model.can(ability):
        others = [each for each in able(ability) if each.state != "retired"]
        instead = f", or use the model {names(others)}" if others else ""
        raise _refuse(f"{cannot.format(model=model.name)}{instead}.")


def _check_limits(request: SongRequest) -> None:
    model = request.model
    _check_length("lyrics", request.lyrics, model.lyrics_limit, model.name)
    _check_length("title", request.title, model.title_limit, model.name)
    _check_length("negative_tags", request.negative_tags, model.negative_tags_limit, model.name)
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


def _check_numbers(request: SongRequest) -> None:
    if request.seed not in SEEDS:
        bounds = f"a whole number from {SEEDS.start} to {SEEDS.stop - 1}"
        raise _refuse(f"seed is {request.seed}; it must be {bounds} ({RANDOM_SEED} is random).")
    for name in ("style_weight", "weirdness"):
        value = getattr(request, name)
        if value is not None and not 0 <= value <= 1:
            raise _refuse(f"{name} is {value:g}; it must be from 0 to 1.")
    _check_duration(request)
    _check_takes(request)


def _check_duration(request: SongRequest) -> None:
    model, asked = request.model, request.duration_s
    if asked is None or model.durations is None:
        return
    shortest, longest = model.durations
    if not shortest <= asked <= longest:
        bounds = f"{model.name} makes {shortest:g} to {longest:g} s{_each_second(model)}"
        others = [each for each in able("duration") if each.durations and each is not model]
        fit = [each for each in others if each.durations and _is_within(asked, each.durations)]
        instead = f" {names(fit)} can do that." if fit else ""
        raise _refuse(f"duration_seconds is {asked:g}; {bounds}.{instead}")


def _each_second(model: Model) -> str:
    """Return what a second costs, "" if songs are not paid by the second."""
    price = model.usd_per_second
    return "" if price is None else f", at ${price:g} a second"


def _is_within(asked: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= asked <= bounds[1]


def _check_takes(request: SongRequest) -> None:
    if not 1 <= request.takes <= request.model.most_takes:
        raise _refuse(f"takes is {request.takes}; it must be 1 to {request.model.most_takes}.")


def _check_part(request: CoverRequest) -> None:
    if request.part is None:
        return
    (begin, end), length = request.part, request.source.duration_s
    if not 0 <= begin < end <= (LONGEST_CLIP_S if length is None else length):
        clip = public_clip_id(request.source.clip_id)
        known = "" if length is None else f", which is {length:g} s long"
        raise _refuse(f"There is no part from {begin:g} s to {end:g} s in clip {clip}{known}.")


def _check_position(request: ExtensionRequest) -> None:
    position, length = request.position_s, request.source.duration_s
    clip = public_clip_id(request.source.clip_id)
    if request.model.takes_audio:
        _check_is_at_end(request)
        return
    if position < 0:
        raise _refuse("continue_at_seconds cannot be negative.")
    if position > LONGEST_CLIP_S:
        raise _refuse(_too_far(request))
    if length is not None and position > length:
        text = f"continue_at_seconds is {position:g}, but clip {clip} is {length:g} s long."
        raise _refuse(f"{text} Give at most {length:g}.")
    if position == 0 and not SERVICES[request.model.service].extends_from_zero:
        raise _refuse(_why_not_at_zero(request))


def _check_is_at_end(request: ExtensionRequest) -> None:
    """Refuse to continue anywhere but at the end of audio that goes along."""
    at, length = request.continue_at_s, request.source.duration_s
    if at is not None and (length is None or abs(at - length) > 1):
        name = request.model.name
        raise _refuse(f"{name} continues a clip at its end: leave continue_at_seconds out.")


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
