"""What the clients of a machine have been told of song-mcp."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from song_mcp.installer.clients import CLIENTS, Client
from song_mcp.installer.documents import Document
from song_mcp.installer.entry import Entry
from song_mcp.installer.files import RefusedError, read
from song_mcp.installer.machine import Machine


@dataclass(frozen=True)
class Found:
    """A client's file on this machine, and the `entry` for song-mcp in it, None if there is none.

    `why` says why the file cannot be read, in a sentence without what stands in it; "" if it can.
    `command_exists` tells whether the program of the entry is there.
    """

    client: Client
    file: Path
    entry: Entry | None = None
    why: str = ""
    command_exists: bool = False


def entries(machine: Machine) -> Iterator[Found]:
    """Return each file of a client that exists on a machine, in the order of the table."""
    for client in CLIENTS.values():
        for file in client.files(machine):
            if file.exists():
                yield _found(client, file, machine)


def _found(client: Client, file: Path, machine: Machine) -> Found:
    try:
        entry = Document(client, read(file)).entry
    except (RefusedError, ValueError) as error:
        return Found(client, file, why=str(error))
    if entry is None:
        return Found(client, file)
    return Found(client, file, entry, command_exists=_exists(entry.command, machine))


def _exists(command: str, machine: Machine) -> bool:
    """Tell whether a command can be found; a bare name as the client would look for it, by PATH."""
    path = Path(command)
    return path.is_file() if path.is_absolute() else machine.program(command) is not None
