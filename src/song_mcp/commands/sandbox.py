"""`song-mcp sandbox`: a stand-in for the services on loopback."""

import argparse
import os
import sys

from song_mcp.commands.terminal import complain, lacks_sandbox, port, seconds

DESCRIPTION = (
    "Run a stand-in for the services on loopback, with real audio, so that a client can be tried "
    "without a key. It prints the variables to set."
)
EXAMPLE = "song-mcp sandbox --song-seconds 5"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--port",
        type=port,
        default=8787,
        help="the port; 0 takes any free one (default: %(default)s)",
    )
    parser.add_argument(
        "--song-seconds",
        type=seconds,
        default=12.0,
        help="how many seconds it takes for a song (default: %(default)g)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the sandbox until it is interrupted; returns the exit status."""
    if complained := lacks_sandbox():
        return complained
    from song_mcp.sandbox.app import build_app
    from song_mcp.sandbox.serve import run as run_app

    try:
        run_app(build_app(options.song_seconds), port=options.port, on_ready=_say_ready)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        return complain(f"The sandbox cannot listen on port {options.port}: {reason}.")
    return 0


def _say_ready(base_url: str) -> None:
    from song_mcp.sandbox.app import STANDS_IN_FOR
    from song_mcp.songs import SERVICES

    services = [SERVICES[name] for name in STANDS_IN_FOR]
    *most, last = [service.label for service in services]
    labels = f"{', '.join(most)} and {last}"
    print(f"A stand-in for {labels} is running; Ctrl-C ends it. For a server to use it, set:")
    for name in (name for service in services for name in service.addresses):
        print(f"  {name}={base_url}")
    for service in services:
        if service.needs_key:
            print(f"  {service.key_variable}=sandbox")
    sys.stdout.flush()
