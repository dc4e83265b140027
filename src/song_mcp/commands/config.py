"""`song-mcp config`: what to put into an MCP client's settings."""

import argparse
import json
import shutil
import sys
from pathlib import Path

DESCRIPTION = "Print the entry for an MCP client's settings, with the path of this very command."
EXAMPLE = "song-mcp config"


def add_arguments(_: argparse.ArgumentParser) -> None:
    """Add nothing: the command has no options."""


def run(_: argparse.Namespace) -> int:
    """Print the entry; returns the exit status."""
    from song_mcp.songs import SERVICES

    needing = [each for each in SERVICES.values() if each.needs_key]
    keys = {each.key_variable: f"your-{each.name}-key" for each in needing}
    off = {each.switch: "" for each in SERVICES.values() if not each.needs_key}
    entry = {"command": str(command()), "args": [], "env": keys | off}
    print(json.dumps({"mcpServers": {"song-mcp": entry}}, indent=2))
    return 0


def command() -> Path:
    """Return the absolute path of the running command, also for `python -m song_mcp`."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return Path(sys.executable).absolute().with_name("song-mcp")
    return Path(shutil.which(str(called)) or called).absolute()
