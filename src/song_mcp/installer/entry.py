"""What a client is told of song-mcp, whatever shape its file has."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from song_mcp.songs import SERVICES

NAME = "song-mcp"
"""Under which name clients have the server."""
OURS = re.compile(r"song-mcp(?:\.exe|\.cmd)?|song_mcp|song-mcp(?:\[\w+\])?(?:[@=<>].*)?")
"""How a word of a command names song-mcp: as a program, a module or a package."""
STARTS_WITHIN_S = 60
"""How long a client may wait for the start, if its file can say so: the first one after an update
compiles everything."""


@dataclass(frozen=True)
class Entry:
    """How to start the server: a program, its arguments, and variables beside the client's own."""

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def starts_us(self) -> bool:
        """Whether this starts song-mcp, whichever install and under whatever name."""
        words = [re.split(r"[/\\]", self.command)[-1], *self.args]
        return any(OURS.fullmatch(word) for word in words)


def wanted() -> Mapping[str, str]:
    """Return the variables of all keys that a service needs, and whose key each is."""
    return {each.key_variable: each.label for each in SERVICES.values() if each.needs_key}
