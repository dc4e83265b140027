"""`song-mcp config`: what to put into an MCP client's settings."""

import argparse
import json

DESCRIPTION = (
    "Print the entry for an MCP client's settings, with the command that starts this install."
)
EXAMPLE = "song-mcp config"


def add_arguments(_: argparse.ArgumentParser) -> None:
    """Add nothing: the command has no options."""


def run(_: argparse.Namespace) -> int:
    """Print the entry; returns the exit status."""
    from song_mcp.installed import install
    from song_mcp.songs import SERVICES

    needing = [each for each in SERVICES.values() if each.needs_key]
    keys = {each.key_variable: f"your-{each.name}-key" for each in needing}
    off = {each.switch: "" for each in SERVICES.values() if not each.needs_key}
    command, *args = install().command
    entry = {"command": command, "args": args, "env": keys | off}
    print(json.dumps({"mcpServers": {"song-mcp": entry}}, indent=2))
    return 0
