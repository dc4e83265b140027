"""song-mcp in the settings of MCP clients: where they are, what stands there, how it is changed.

`CLIENTS` is the table of all clients that are known here, `entry` is what each of them is told of
song-mcp, and `entries` tells what the clients of this machine have been told. `docs/clients.md`
says where each fact is from.

Promises: a file that cannot be read, or that this package does not understand, is never touched.
What is not ours in a file stays as it is, with its comments, its order and its indentation. A file
is replaced in one step, and what it was before is kept beside it. No key is ever written to it.
"""

from song_mcp.installer.clients import CLIENTS, Client
from song_mcp.installer.documents import snippet
from song_mcp.installer.entries import entries
from song_mcp.installer.machine import Machine

__all__ = [
    "CLIENTS",
    "Client",
    "Machine",
    "changes",
    "entries",
    "entry",
    "files",
    "keys",
    "snippet",
]
