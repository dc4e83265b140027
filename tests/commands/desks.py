"""A person's terminal for one test: a desk at the house of `tests.house`, with its own streams."""

import argparse
import io
from importlib import import_module
from typing import Any

from song_mcp.clock import Clock
from song_mcp.commands.desk import Desk
from song_mcp.commands.screen import Screen
from song_mcp.settings import Settings
from tests.harvest import gather
from tests.house import FastClock, House, environment


class Paper(io.StringIO):
    """What a command prints to, or reads from, as if a person looked at it if it `is_live`."""

    def __init__(self, text: str = "", *, is_live: bool = False, encoding: str = "utf-8") -> None:
        super().__init__(text)
        self._is_live = is_live
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a stream's, which StringIO has not
        return self._encoding

    def isatty(self) -> bool:
        return self._is_live

    def write(self, text: str) -> int:
        text.encode(self._encoding)  # as a stream of this encoding would
        return super().write(text)


class Broken(Paper):
    """A stream that takes nothing: its reader has gone, or the disk is full."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self._error = error

    def flush(self) -> None:
        raise self._error


def desk_at(
    house: House,
    *,
    typed: str | None = None,
    out: Paper | None = None,
    clock: Clock | None = None,
    **variables: str,
) -> Desk:
    """Return a desk on the journal and sandbox of a house; the person types `typed`."""
    settings = Settings.read(**(environment(house.folder, house.base_url) | variables))
    keyboard = None if typed is None else Paper(typed, is_live=True)
    screen = Screen(out or Paper(), Paper(), keyboard)
    return Desk(settings, screen, clock or FastClock())


def said(desk: Desk) -> tuple[str, str]:
    """Return what was printed to stdout and stderr so far."""
    printed = _text(desk.screen.out), _text(desk.screen.err)
    gather("printed", "".join(printed))
    return printed


def _text(stream: Any) -> str:  # noqa: ANN401 - the streams above
    return str(stream.getvalue())


def options(command: str, *arguments: str) -> argparse.Namespace:
    """Return what a command makes of the arguments that are typed behind it."""
    parser = argparse.ArgumentParser()
    import_module(f"song_mcp.commands.{command}").add_arguments(parser)
    return parser.parse_args(arguments)
