"""The commands of `song-mcp`, one module each.

A command's module has `DESCRIPTION` and `EXAMPLE`, which its `--help` shows,
`add_arguments(parser)`, and `run(options)`, which returns the exit status. `cli` imports only the
module of the command that was named. Results go to stdout; complaints go to stderr, by
`terminal.complain`.

What people do without an assistant (`songs` and the like) works by `desk`, which opens the studio,
`screen`, which prints, and `typed`, which says for a terminal what is said to assistants.
"""

from collections.abc import Mapping

COMMANDS: Mapping[str, str] = {
    "doctor": "tell what is set up, what is wrong, and what to do",
    "serve": "serve MCP over HTTP on this machine",
    "make": "make a song; asks before it pays",
    "get": "look at a song, and wait until it is there",
    "settle": "find out about, close or repeat what may have been paid",
    "confirm": "agree to go on with a journal that was damaged or restored",
    "songs": "list the songs that were made here",
    "open": "open a song in the system's player, or its folder",
    "export": "write a playlist, or copy songs into a folder",
    "spending": "show what was spent, by month, service and model",
    "demo": "make songs from end to end without a key",
    "sandbox": "run a stand-in for the services on loopback",
    "install": "put song-mcp into the settings of MCP clients",
    "uninstall": "take song-mcp out of the settings of MCP clients",
    "config": "print what to put into the MCP client's settings",
}
"""Every command, and what it does in a line: its module here has the same name."""

__all__ = ["COMMANDS", "serving", "terminal"]
