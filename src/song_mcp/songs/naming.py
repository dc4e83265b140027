"""What a caller means by the name of a model, however it is spelled.

A name is ours, a service's own, or that of a family, of which the preferred model is meant.
The first way of reading that finds any model decides; it may find several.
"""

import re
from collections.abc import Collection, Iterator

from song_mcp.songs.models import (
    MODELS,
    SERVICES,
    Ability,
    Model,
    Service,
    model_named,
    preferred,
)

DEFAULTS = frozenset(
    {"", "none", "default", "auto", "automatic", "any", "thedefault", "defaultmodel"}
)
"""What says, folded, that no model is named."""
ALSO = {"chirp": "gptge"}
"""Services by names of their families that are neither their own nor their music's."""
AROUND = " \t\r\n\"'`<>()[]\u201c\u201d\u2018\u2019"
BETWEEN = re.compile(r"[\s_-]+")
SEPARATORS = re.compile(r"[\s_.-]+")
PLACES = re.compile(r"\s+(?:at|by|from|of|on|through|via|or|and)\s+|\s*[/:@(,;|+]\s*")
"""What stands between a model and where it is: "udio at PiAPI", "gpt.ge/suno-v6"."""


def is_default(word: str) -> bool:
    """Tell whether a word says that no model is named."""
    return _folded(word) in DEFAULTS


def readings(
    word: str, usable: Collection[Service], ability: Ability = "description"
) -> tuple[Model, ...]:
    """Return the models that a word can mean; more than one if it is not clear, () if none.

    Of several, those of the `usable` services count, if any are. A family means the model that is
    preferred among those with the `ability`.
    """
    bare = word.strip(AROUND)
    found = _found(bare, ability) or _at_a_place(bare, ability)
    of_ours = tuple(each for each in found if SERVICES[each.service] in usable)
    return of_ours or found


def families() -> str:
    """Return names that together stand for all models that work: "suno, udio, ace-step"."""
    return ", ".join(name for service in SERVICES.values() for name in _names_at(service))


def _names_at(service: Service) -> list[str]:
    if "*" in service.models_called:
        return [service.music.lower()]
    return [each.name for each in service.models if each.state != "retired"]


def _found(bare: str, ability: Ability) -> tuple[Model, ...]:
    """Return the models that are called so, and those that are meant by a family's name."""
    if exact := _exact(bare):
        return exact
    named = _named(bare)
    at = {each.service for each in named}
    families = [each for each in _families_called(bare) if each.name not in at]
    return (*named, *(_preferred(each, ability) for each in families))


def _exact(bare: str) -> tuple[Model, ...]:
    exact = model_named(bare) or model_named(BETWEEN.sub("-", bare.casefold()))
    return (exact,) if exact else ()


def _named(bare: str) -> tuple[Model, ...]:
    """Return the models that are called so, whatever stands between the words."""
    return tuple(each for each in MODELS.values() if _folded(bare) in set(_names_of(each)))


def _families_called(bare: str) -> list[Service]:
    return [each for each in SERVICES.values() if _folded(bare) in _family_of(each)]


def _names_of(model: Model) -> Iterator[str]:
    """Yield the folded names of a model; of a retired one, only its own name with us."""
    yield _folded(model.name)
    if model.state != "retired":
        yield from map(_folded, (model.sent_as, *model.also))


def _family_of(service: Service) -> set[str]:
    others = {word for word, name in ALSO.items() if name == service.name}
    return {_folded(each) for each in (service.name, service.label, service.music)} | others


def _preferred(service: Service, ability: Ability) -> Model:
    try:
        return preferred([service], ability)
    except LookupError:  # which the request then says
        return service.default_model


def _at_a_place(bare: str, ability: Ability) -> tuple[Model, ...]:
    """Return the models that are called so at the service that is named beside.

    If no service is, but several models are, they are returned.
    """
    parts = [part.strip(AROUND) for part in PLACES.split(bare)]
    parts = [part for part in parts if part]
    if len(parts) == 2:  # noqa: PLR2004 - a model and its place
        for find in (_named_there, _found):
            for place, name in (parts, parts[::-1]):
                at = {each.name for each in _families_called(place)}
                if found := tuple(each for each in find(name, ability) if each.service in at):
                    return found
    every = [_named_there(part, ability) for part in parts]
    return tuple(dict.fromkeys(each for found in every for each in found)) if all(every) else ()


def _named_there(bare: str, _: Ability) -> tuple[Model, ...]:
    return _exact(bare) or _named(bare)


def _folded(word: str) -> str:
    return SEPARATORS.sub("", word.strip().casefold())
