"""What a client is told of song-mcp, whatever shape its file has."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from song_mcp.songs import SERVICES

NAME = "song-mcp"
"""Under which name clients have the server."""
STARTS_WITHIN_S = 60
"""How long a client may wait for the start, if its file can say so: the first one after an update
compiles everything."""


@dataclass(frozen=True)
class Entry:
    """How to start the server: a program, its arguments, and variables beside the client's own."""

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


def keys() -> Mapping[str, str]:
    """Return the variables of all keys that a service needs, and whose key each is."""
    return {each.key_variable: each.label for each in SERVICES.values() if each.needs_key}
