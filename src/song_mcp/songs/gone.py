"""Names of models that people ask for and that are not offered: why, and what there is instead.

Sources: `docs/providers.md` 8.1 to 8.3, 10.5.
"""

import re
from dataclasses import dataclass

from song_mcp.songs.models import MODELS, Model

BLANKS = re.compile(r"[\s_/@-]+")


@dataclass(frozen=True)
class Gone:
    """What is not offered: the names for it, folded as `instead_of` does, and what is said."""

    names: re.Pattern[str]
    why: str
    instead: tuple[str, ...] = ()


def _named(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


GONE = (
    Gone(
        _named(r"music-s|(?:piapi-)?suno-(?:at|on|by|from|through|via)-piapi|piapi-suno.*"),
        "PiAPI stopped Suno",
        ("suno-v6",),
    ),
    Gone(
        _named(r"(?:suno-?)?(?:chirp-)?v?[2-5](?:[.-]?[05])?(?:\+|-?plus|-?all)?"),
        "Suno retired its models before v6 on 2026-09-09",
        ("suno-v6",),
    ),
    Gone(
        _named(r"suno(?:-ai|-api|-latest|-pro)?|(?:suno-?)?v?6(?:\.0)?"),
        "Suno's models have a version",
        ("suno-v6", "suno-v6-wild", "suno-v6-mini"),
    ),
    Gone(_named(r"(?:suno-?)?v?6-?(?:wild|pro)"), "It is called otherwise here", ("suno-v6-wild",)),
    Gone(_named(r"(?:suno-?)?v?6-?mini"), "It is called otherwise here", ("suno-v6-mini",)),
    Gone(
        _named(r"(?:ace-?step-?)(?:edit|lego|complete|extract)"),
        "It is not built: its fields are not known, or no tool asks for it",
        ("ace-step", "ace-step-local"),
    ),
    Gone(
        _named(r"ace-?step-?(?:1\.5|v1\.?5|v15|turbo|api|music|home)?(?:-.*)?|acemusic.*"),
        "ACE-Step is offered at PiAPI and on one's own machine",
        ("ace-step", "ace-step-local"),
    ),
    Gone(
        _named(r"diff-?rhythm-.*"),
        "base and full are chosen by duration_seconds",
        ("diffrhythm",),
    ),
    Gone(_named(r"udio-.*|.*-udio"), "There is one model of Udio", ("udio",)),
    Gone(
        _named(
            r"(?:piapi-)?(?:minimax|hailuo)(?:-music)?(?:-.*)?|music-(?:0?1|1\.5|2|2\.0|2\.5).*"
        ),
        "These are MiniMax's models here",
        ("minimax-3", "minimax-3-free"),
    ),
    Gone(
        _named(
            r"(?:.*-)?(?:stems?|vocal-remover|demucs|concat|persona|upload|midi|mmaudio)(?:-.*)?"
        ),
        "No documented service does that; cover_song and join_song make something of clips",
    ),
    Gone(
        _named(r"(?:google-)?lyria.*|stable-audio.*|eleven-?labs.*|mureka.*|sonilo.*|musicgen.*"),
        "Its service has no adapter here",
    ),
)
"""The first that fits counts."""


def instead_of(name: str) -> Gone | None:
    """Return what is known of a model that is not offered, None if nothing is."""
    folded = _folded(name)
    works = [each for each in MODELS.values() if each.state != "retired"]
    meant = next((each for each in works if folded in _names_of(each)), None)
    if meant is not None:
        return Gone(_named(""), "It is called otherwise here", (meant.name,))
    return next((each for each in GONE if each.names.fullmatch(folded)), None)


def _folded(name: str) -> str:
    return BLANKS.sub("-", name.strip().casefold()).strip("-")


def _names_of(model: Model) -> set[str]:
    return {_folded(model.name), _folded(model.sent_as)}
