"""The services and their models: one table, from which all that differs between them is read."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal, Protocol

from song_mcp.songs.spellings import read_names

ServiceName = str
"""The name of a row of `SERVICES`, as the journal has it."""
Kind = Literal["song", "extension", "cover", "lyrics", "other"]
Ability = Literal[
    "description",
    "lyrics",
    "instrumental",
    "negative_tags",
    "seed",
    "duration",
    "extend",
    "cover",
    "repaint",
    "timed_lyrics",
    "vocal_gender",
    "style_weight",
    "weirdness",
    "lyrics_maker",
]
"""What a model may be able to do. "cover" is an own clip in another style, "repaint" a part of one
made anew, "timed_lyrics" lyrics with the time of each line, and "lyrics_maker" lyrics on a topic.
"""
SINGS: frozenset[Ability] = frozenset({"description", "lyrics", "instrumental"})
State = Literal["current", "unsure", "retired"]
"""Whether a model works: "unsure" if nothing was seen of it for some time (`docs/providers.md` 8).

The order is that in which a default is chosen."""
STATES: tuple[State, ...] = ("current", "unsure", "retired")
DESCRIPTION_LIMIT = 10_000
TITLE_LIMIT = 300
NEGATIVE_TAGS_LIMIT = 100


@dataclass(frozen=True)
class Model:
    """A music model as the user picks it, with the limits of its service (`docs/providers.md`).

    `sent_as` is what the service calls it, `abilities` is what it can do. Limits are in characters.
    `style_limit` applies to the description beside own lyrics or in an extension; if it is None,
    `description_limit` applies to every description. Some places that sell the model take no
    description of a new song that is longer than `brief_limit`, which is None if no such place is
    known. `durations` are the shortest and the longest song that can be asked for, in seconds, if
    the model is able to take a duration.

    `clips` is how many clips one submission makes as a rule, `most_takes` how many it can be asked
    for. A song costs `usd` dollars, or `usd_per_second` times its duration; both are None if the
    service tells no prices. A model that `is_free` costs nothing, so nothing of it can be in doubt.

    `state` tells whether it works, and `since` the day of its end or of the last sign of it.

    `needs_description` tells that lyrics alone are not enough. A model that does not write lyrics
    itself (`writes_lyrics`) makes an instrumental without them. `usual_s` and `usual_extension_s`
    are how many seconds are asked for if nobody names a duration, None if the service decides.

    `extension_adds_s` is how many seconds an extension adds, None if that is not known beforehand.
    `takes_audio` tells that what is made of a clip is made of its audio, which goes along, and not
    of its id: an extension then begins at the clip's end, and holds the clip as well.

    `also` is what other places call it. One that `is_raw` is a word of the user's, which goes out
    as it is: nobody here knows whether there is such a model.
    """

    name: str
    service: ServiceName
    sent_as: str
    lyrics_limit: int
    style_limit: int | None = None
    description_limit: int = DESCRIPTION_LIMIT
    brief_limit: int | None = None
    title_limit: int = TITLE_LIMIT
    negative_tags_limit: int = NEGATIVE_TAGS_LIMIT
    abilities: frozenset[Ability] = SINGS | {"extend", "lyrics_maker"}
    durations: tuple[float, float] | None = None
    clips: int = 2  # `docs/providers.md` 1.5, 3.4
    most_takes: int = 1
    usd: float | None = None
    usd_per_second: float | None = None
    is_free: bool = False
    state: State = "current"
    since: date | None = None
    needs_description: bool = False
    writes_lyrics: bool = True
    usual_s: float | None = None
    usual_extension_s: float | None = None
    extension_adds_s: float | None = None
    takes_audio: bool = False
    also: tuple[str, ...] = ()
    is_raw: bool = False

    def can(self, ability: Ability) -> bool:
        """Tell whether the model is able to do this."""
        return ability in self.abilities

    def is_called(self, word: str) -> bool:
        """Tell whether this is a name of the model, ours or anybody's, however it is spelled."""
        return _spelled(word) in map(_spelled, (self.name, self.sent_as, *self.also))

    def price_usd(self, duration_s: float | None = None) -> float | None:
        """Return what a song of this duration costs, None if that is not known beforehand."""
        if self.is_free:
            return 0.0
        if self.usd_per_second is None:
            return self.usd
        return None if duration_s is None else round(duration_s * self.usd_per_second, 6)


def _spelled(word: str) -> str:
    """Return a name of a model in one spelling: "V6_WILD" and "suno/v6-wild" are one."""
    return GAPS.sub("-", word.strip().casefold().removeprefix("suno/"))


GAPS = re.compile(r"[\s._-]+")
SUNOS: frozenset[Ability] = SINGS | {"extend", "lyrics_maker"}
MAY_BE_IGNORED: frozenset[Ability] = frozenset(
    {"negative_tags", "vocal_gender", "style_weight", "weirdness"}
)
"""What clients send to relays of Suno, and no relay says whether it took it (3.14)."""
SUNO_RETIRED = date(2026, 9, 9)  # `docs/providers.md` 8.1


def _suno(
    name: str,
    sent_as: str,
    *also: str,
    lyrics: int = 5000,
    style: int = 1000,
    state: State = "retired",
) -> Model:
    """Return a row for a model of Suno; descriptions have limits of the relays (3.7).

    What no relay documents is asked only of those that are not retired (3.14).
    """
    return Model(
        name,
        "gptge",
        sent_as,
        lyrics,
        style,
        description_limit=500,
        brief_limit=200,
        title_limit=80 if style == 200 else 100,  # noqa: PLR2004 - both came with v4.5
        negative_tags_limit=1000,
        abilities=SUNOS if state == "retired" else SUNOS | MAY_BE_IGNORED,
        state=state,
        since=SUNO_RETIRED if state == "retired" else None,
        also=also,
    )


def _minimax(name: str, sent_as: str, *, usd: float | None = None) -> Model:
    """Return a row for a model of MiniMax; one without a price is free (`docs/providers.md` 9.3).

    Its lyrics are not free, whatever the model, so no free model writes them.
    """
    own: frozenset[Ability] = frozenset({"cover"} if usd is None else {"cover", "lyrics_maker"})
    return Model(
        name,
        "minimax",
        sent_as,
        lyrics_limit=3000,
        description_limit=2000,
        abilities=SINGS | own,
        clips=1,
        usd=usd,
        is_free=usd is None,
    )


class ReadsOption(Protocol):
    """Makes a value of a setting's text."""

    def __call__(self, text: str, *, service: "Service") -> Any:  # noqa: ANN401 - what its adapter takes
        """Return the value; raises ValueError."""


@dataclass(frozen=True)
class Option:
    """A setting that only one service has, read from `variable` and passed to its adapter.

    `name` is the adapter's argument. Its value is one of the `choices`, the first of which is the
    default; or what `read` makes of the text, or of "" if there is none. `read` raises ValueError
    with what is wrong, in the predicate of a sentence about the variable. An option that
    `is_address` is a base URL, or "".
    """

    name: str
    variable: str
    choices: tuple[str, ...] = ()
    read: "ReadsOption | None" = None
    is_address: bool = False


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service as the rest of the program sees it: everything that differs between services.

    `adapter` is "module:class", imported only if there is a key. The class is called with the key
    and the base URL, and by name with `proxy` and each of the `options`. `music` names the product
    whose music it sells, `models_called` is a common name of its models, and `shop` says where
    credits are bought. The default of the service is the first of the `models` that works.

    `elsewhere_tool` is the tool that looks at tasks made elsewhere, "" if there is none.

    If a call names no position, an extension starts at the clip's end if `extends_from_end`, else
    at 0 s. `extends_from_zero` tells whether 0 s is possible at all. `extends_any_clip` tells
    whether the clip's id is enough, without the task that made it. `extends_any_model` tells
    whether clips of models that are not in `models` can be extended as well. `extends` tells
    whether the service extends clips at all. `sings_given_alone` tells whether an extension without
    lyrics is instrumental. `drafts_a_task` is how many drafts lyrics have as a rule.

    `has_history` tells whether the service can be asked what was made, which settles doubts.

    `tells_balance` tells whether it says what is left in US dollars, which helps to settle doubts.
    `may_ignore` are wishes that it may ignore, but that its clips may repeat.

    A word that `any_word` matches is a model too, which has the limits of `any_model` and goes out
    as it is. `gone` are models that are not offered, but that clips may name.

    One that does not `needs_key` is used if its base URL is set, which is "" at first; a key is
    then optional. If it `may_be_private`, the base URL may be a private address that the user
    names, asked by plain http too. If it `serves_audio`, its audio is at the base URL itself, and
    asked for with the key, as a bearer token.

    `answers_with_audio` tells that the one call that submits a song runs until it is made, and
    returns it. Such a service has no tasks, so there is nothing that could be looked up: not how a
    song stands, not what became of a lost answer, and no audio once more.
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
    extends_from_end: bool = False
    extends_from_zero: bool = True
    extends_any_clip: bool = False
    extends_any_model: bool = False
    extends: bool = True
    sings_given_alone: bool = False
    drafts_a_task: int = 1
    has_history: bool = False
    any_word: re.Pattern[str] | None = None
    any_model: Model | None = None
    gone: tuple[Model, ...] = ()
    may_ignore: frozenset[Ability] = frozenset()
    tells_balance: bool = False
    needs_key: bool = True
    may_be_private: bool = False
    serves_audio: bool = False
    answers_with_audio: bool = False

    @property
    def switch(self) -> str:
        """The variable that turns the service on: the key's, or the base URL's."""
        return self.key_variable if self.needs_key else self.base_url_variable

    @property
    def addresses(self) -> tuple[str, ...]:
        """The variables that say where the service is."""
        own = (option.variable for option in self.options if option.is_address)
        return (self.base_url_variable, *own)

    @property
    def default_model(self) -> Model:
        """The model that is used if a call names none."""
        return preferred([self])

    def model(self, name: str) -> Model | None:
        """Return the model that is called so, by us or anybody, or None.

        A name that several models have is none. A word that goes out as it is means itself.
        """
        called = [each for each in self.models if each.is_called(name)]
        return called[0] if len(called) == 1 else self._raw(name)

    def asked_for(self, name: str) -> Model | None:
        """Return what a user means by a name: a model of ours, or a word that goes out as it is.

        Of such a word, limits and state are those of the model that is called so, if one is.
        """
        return next((each for each in self.models if each.name == name), None) or self._raw(name)

    def is_same(self, one: str, other: str) -> bool:
        """Tell whether two names can mean the same model."""
        every = (*self.models, *self.gone)
        both = (each for each in every if each.is_called(one) and each.is_called(other))
        return _spelled(one) == _spelled(other) or any(both)

    def _raw(self, word: str) -> Model | None:
        """Return a word of the user's as a model."""
        if self.any_word is None or self.any_model is None or not self.any_word.fullmatch(word):
            return None
        known = (each for each in (*self.models, *self.gone) if each.is_called(word))
        like = next(known, self.any_model)
        return replace(like, name=word, sent_as=word, also=(), is_raw=True)


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
                    abilities=SINGS | {"extend", "lyrics_maker", "negative_tags", "seed"},
                    usd=0.05,  # `docs/providers.md` 1.5
                    state="unsure",
                    since=date(2026, 7, 24),  # `docs/providers.md` 8.1
                    extension_adds_s=32.0,  # `docs/providers.md` 2.3
                ),
                Model(  # `docs/providers.md` 2.12
                    "ace-step",
                    "piapi",
                    "Qubico/ace-step",
                    5000,
                    description_limit=1000,
                    abilities=SINGS | {"negative_tags", "duration", "extend", "cover"},
                    durations=(10, 240),
                    clips=1,
                    usd_per_second=0.0005,
                    needs_description=True,
                    writes_lyrics=False,
                    usual_s=60,
                    usual_extension_s=30,
                    takes_audio=True,
                ),
                Model(  # `docs/providers.md` 2.12
                    "diffrhythm",
                    "piapi",
                    "Qubico/diffrhythm",
                    5000,
                    description_limit=1000,
                    abilities=SINGS | {"duration", "timed_lyrics"},
                    durations=(10, 285),
                    clips=1,
                    usd=0.02,
                    needs_description=True,
                    writes_lyrics=False,
                ),
            ),
            models_called="udio",
            options=(
                Option("service_mode", "PIAPI_SERVICE_MODE", ("public", "private")),
                Option("upload_url", "PIAPI_UPLOAD_URL", ("",), is_address=True),
            ),
            elsewhere_tool="get_task",
            has_history=True,
            tells_balance=True,
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
                _suno("suno-v6", "chirp-hawk", "chirp-v6", "v6", state="current"),
                _suno(
                    *("suno-v6-wild", "chirp-hawk-wild", "chirp-v6-wild", "v6-wild"),
                    state="current",
                ),
                _suno("suno-v6-mini", "chirp-goose", "chirp-v6-mini", "v6-mini", state="current"),
                _suno("suno-v5", "chirp-crow", "chirp-v5", "v5"),
                _suno("suno-v4.5", "chirp-auk", "chirp-v4-5", "v4-5"),
                _suno("suno-v4", "chirp-v4", "v4", lyrics=3000, style=200),
                _suno("suno-v3.5", "chirp-v3-5", "chirp-v3", "v3-5", lyrics=3000, style=200),
                _suno("suno-v3", "chirp-v3-0", "chirp-v3", "v3", lyrics=3000, style=200),
            ),
            gone=(
                _suno("suno-v5.5", "chirp-fenix", "chirp-v5-5", "v5-5"),
                _suno("suno-v4.5-plus", "chirp-bluejay", "chirp-v4-5-plus", "v4-5plus", "v4-5+"),
                _suno("suno-v4.5-all", "chirp-auk-turbo", "chirp-v4-5-all", "v4-5all"),
            ),
            any_word=re.compile(r"chirp-[a-z0-9.-]{1,40}"),
            any_model=_suno("", "", state="unsure"),
            may_ignore=MAY_BE_IGNORED,
            options=(Option("names", "SONG_MCP_SUNO_NAMES", read=read_names),),
            models_called="suno-*",
            elsewhere_tool="fetch_suno_task",
            extends_from_end=True,
            extends_from_zero=False,
            extends_any_model=True,
            sings_given_alone=True,
            drafts_a_task=2,  # `docs/providers.md` 3.5
        ),
        Service(
            name="minimax",
            label="MiniMax",
            music="MiniMax",
            key_variable="MINIMAX_API_KEY",
            base_url_variable="MINIMAX_BASE_URL",
            base_url="https://api.minimax.io",
            shop="at platform.minimax.io",
            adapter="song_mcp.providers.minimax:Minimax",
            models=(  # free ones first: who names no model should not have to pay
                _minimax("minimax-3-free", "music-3.0-free"),
                _minimax("minimax-3", "music-3.0", usd=0.15),
                _minimax("minimax-2.6-free", "music-2.6-free"),
                _minimax("minimax-2.6", "music-2.6", usd=0.15),
            ),
            models_called="minimax-*",
            extends=False,
            answers_with_audio=True,
        ),
        Service(
            name="acestep",
            label="ACE-Step",
            music="ACE-Step",
            key_variable="ACESTEP_API_KEY",
            base_url_variable="ACESTEP_BASE_URL",
            base_url="",
            shop="nowhere: it costs nothing",
            adapter="song_mcp.providers.acestep:AceStep",
            models=(
                Model(
                    "ace-step-local",
                    "acestep",
                    "acestep-v15",
                    4096,  # this and the next: `docs/providers.md` 10.1
                    description_limit=512,
                    abilities=SINGS | {"duration", "seed", "cover", "repaint"},
                    durations=(10.0, 600.0),
                    clips=1,
                    most_takes=8,
                    is_free=True,
                    takes_audio=True,
                ),
            ),
            models_called="ace-step-local",
            extends=False,
            needs_key=False,
            may_be_private=True,
            serves_audio=True,
        ),
    )
}
"""Every service: one more is a row here and its adapter in `providers`."""
MODELS: Mapping[str, Model] = {
    model.name: model for service in SERVICES.values() for model in service.models
}


def model_named(name: str) -> Model | None:
    """Return what a user means by a name at any service, or None."""
    found = (service.asked_for(name) for service in SERVICES.values())
    return next(filter(None, found), None)


def asked_by(tool: str) -> Service:
    """Return the service that `tool` asks for tasks made elsewhere."""
    return next(service for service in SERVICES.values() if service.elsewhere_tool == tool)


def preferred(services: Iterable[Service], ability: Ability = "description") -> Model:
    """Return the first model with this ability, those that work before the others.

    Raises LookupError if no model of these services has it.
    """
    able = [model for service in services for model in service.models if model.can(ability)]
    for state in STATES:
        for model in able:
            if model.state == state:
                return model
    raise LookupError(ability)


def able(ability: Ability) -> tuple[Model, ...]:
    """Return all models with this ability, those that work before the others."""
    found = (model for model in MODELS.values() if model.can(ability))
    return tuple(sorted(found, key=lambda model: STATES.index(model.state)))


def called(models: Iterable[Model]) -> str:
    """Return short names of the models that still work, "" if none does.

    All that work of one service share its common name.
    """
    chosen, told = [each for each in models if each.state != "retired"], []
    for service in SERVICES.values():
        own = [each for each in chosen if each.service == service.name]
        working = [each for each in service.models if each.state != "retired"]
        is_whole = len(own) == len(working) > 1 and "*" in service.models_called
        told += [service.models_called] if is_whole else [each.name for each in own]
    return ", ".join(told)


def any_duration() -> tuple[float, float]:
    """Return the shortest and the longest song that any model can be asked for, in seconds."""
    bounds = [each.durations for each in MODELS.values() if each.durations] or [(0.0, 3600.0)]
    return min(low for low, _ in bounds), max(top for _, top in bounds)


def names(models: Iterable[Model]) -> str:
    """Return the names of models as a choice: "a", "a or b", "a, b or c"."""
    *others, last = [model.name for model in models] or ["none"]
    return f"{', '.join(others)} or {last}" if others else last
