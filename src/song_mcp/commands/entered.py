"""The settings of a command in a terminal: where the environment has none, those of a client.

`song-mcp install` writes keys and folders into the entry of a client, and no terminal has those. A
person who types a command means the same keys, journal and songs.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from song_mcp.settings import Settings


def settings() -> "tuple[Settings, str]":
    """Return the settings of the environment; if it has no service, of the first client with one.

    A variable of the environment goes before that of the client's entry. Whose keys and folders
    these are is said in a sentence, "" if they are the environment's: another client may have those
    of another account.
    """
    from song_mcp.settings import Settings

    own = Settings.read()
    if _has_service(own):
        return own, ""
    from song_mcp.installer import Machine, entries

    try:
        machine = Machine.here()
    except RuntimeError:  # who has no home has no clients
        return own, ""
    for found in entries(machine):
        if found.entry is not None:
            env = found.entry.env
            told = {name: value for name, value in env.items() if name not in os.environ}
            theirs = Settings.read(**told)
            if _has_service(theirs):
                return theirs, f"The keys and folders are those of {found.client.label}."
    return own, ""


def _has_service(read: "Settings") -> bool:
    from song_mcp.songs import SERVICES

    return any(read.of(each).is_on for each in SERVICES.values())
