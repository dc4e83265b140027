"""What a relay calls the models of a service: read from a setting, as people write such lists."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from song_mcp.songs.models import Service

ENTRY = re.compile(r"(?P<ours>[^=:>]+?)\s*(?:=>|->|=|:)\s*(?P<theirs>[^=:>]+)")
SEPARATORS = re.compile(r"[,;\n]+")
AROUND = " \t\"'{}`"
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,63}")
"""What a name on the wire can be."""


def read_names(text: str, *, service: "Service") -> dict[str, str]:
    """Return what a relay calls models, by our names: "suno-v6=chirp-v6, suno-v6-mini=V6_MINI".

    Semicolons, lines, arrows, colons, quotes and other spellings of our names are read as well.
    Raises ValueError with a sentence for an entry that can mean nothing, or two things.
    """
    found: dict[str, str] = {}
    for entry in filter(None, (part.strip(AROUND) for part in SEPARATORS.split(text))):
        name, word = _pair(entry, service)
        if found.setdefault(name, word) != word:
            raise ValueError(f"has two names for {name}: {found[name]} and {word}. Keep one")
    return found


def _pair(entry: str, service: "Service") -> tuple[str, str]:
    """Return our name of a model and the relay's; raises ValueError."""
    pair = ENTRY.fullmatch(entry)
    word = pair["theirs"].strip(AROUND) if pair else ""
    if pair is None or not WORD.fullmatch(word):
        raise ValueError(
            f"cannot be read at {entry[:60]!r}. Write what your relay calls each model, such as "
            "suno-v6=chirp-v6, suno-v6-mini=chirp-v6-mini"
        )
    ours = pair["ours"].strip(AROUND)
    model = service.model(ours)
    if model is None or model.is_raw:
        known = ", ".join(each.name for each in service.models)
        raise ValueError(
            f"names {ours[:60]!r}, which is no model here. Before the = stands {known}"
        )
    return model.name, word
