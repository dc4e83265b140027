"""The screen: what a person at a terminal reads, types and sees going on.

Results go to stdout, everything else to stderr. There are no colours. What the stream cannot
encode is shown as `?`, and nothing that is printed controls the terminal.
"""

import os
import re
import shutil
import signal
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

NARROWEST, WIDEST = 40, 120
"""How many columns lines are made for, at least and at most."""
USUAL = 80
"""How many columns lines are made for if nobody looks at them on a screen."""
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
SPACE_BETWEEN = "  "
AS_THEY_ARE = (" ", "- ", "> ")
"""How lines begin that are not broken."""
YES = frozenset({"y", "yes"})


@dataclass
class Screen:
    """Where a command prints, and what it reads answers from; None if nobody can answer."""

    out: TextIO
    err: TextIO
    keyboard: TextIO | None = None

    @property
    def is_live(self) -> bool:
        """Whether a person looks at stderr while the command runs."""
        return self.err.isatty()

    @property
    def columns(self) -> int:
        """How many columns the lines have."""
        if not (self.out.isatty() or self.err.isatty()):
            return USUAL
        return min(max(shutil.get_terminal_size((USUAL, 24)).columns, NARROWEST), WIDEST)

    def show(self, text: str) -> None:
        """Print a result; raises OSError if it cannot be printed wholly."""
        self.out.write(f"{_fitted(text, self.out)}\n")
        self.out.flush()

    def show_lines(self, text: str) -> None:
        """Print a result in lines that fit; raises as `show` does."""
        self.show("\n".join(wrapped(text, self.columns)))

    def say(self, text: str) -> None:
        """Tell the person something beside the result, if it can be told."""
        try:
            lines = "\n".join(wrapped(text, self.columns))
            self.err.write(f"{_fitted(lines, self.err)}\n")
            self.err.flush()
        except (OSError, ValueError):  # nobody reads it, or it is closed
            return

    def redraw(self, line: str) -> None:
        """Write a line over the last one; "" removes it."""
        try:
            text = cut(_fitted(line, self.err), self.columns - 1)
            self.err.write(f"\r{padded(text, self.columns - 1)}\r{text}")
            self.err.flush()
        except (OSError, ValueError):
            return

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to answer."""
        return self.keyboard is not None and self.keyboard.isatty()

    def ask(self, question: str) -> bool:
        """Ask something and return whether the answer is yes; no answer is no."""
        if self.keyboard is None:
            return False
        lines = "\n".join(wrapped(f"{question} [y/N]", self.columns))
        self.err.write(f"{_fitted(lines, self.err)} ")
        self.err.flush()
        with _interruptible():
            return self.keyboard.readline().strip().casefold() in YES

    def can_show(self, text: str) -> bool:
        """Tell whether stderr can show these characters."""
        return _encodable(text, self.err)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt at once: an event loop would take it for later."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    if before != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _encodable(text: str, stream: TextIO) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _fitted(text: str, stream: TextIO) -> str:
    """Return a text without control characters, and with `?` for what the stream cannot encode."""
    text = CONTROLS.sub("?", text)
    if _encodable(text, stream):
        return text
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.replace("…", "...").encode(encoding, "replace").decode(encoding)


# Columns ------------------------------------------------------------------------------------


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes: letters of East Asia take two."""
    return sum(map(_width, text))


def _width(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def cut(text: str, columns: int) -> str:
    """Return as much of a text as fits; an ellipsis tells that there is more."""
    if width(text) <= columns:
        return text
    kept, taken = "", 1  # the ellipsis
    for char in text:
        taken += _width(char)
        if taken > columns:
            break
        kept += char
    return f"{kept.rstrip()}…"


def padded(text: str, columns: int, *, to_the_right: bool = False) -> str:
    """Return a text with spaces that fill its columns."""
    spaces = " " * max(0, columns - width(text))
    return spaces + text if to_the_right else text + spaces


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    columns: int,
    *,
    wide: int = 0,
    numbers: Sequence[int] = (),
) -> list[str]:
    """Return the lines of a table.

    The cells of the column `wide` are cut if the lines would have more than `columns`. Those of
    `numbers` are aligned at their ends.
    """
    every = [head, *rows]
    widths = [max(width(row[at]) for row in every) for at in range(len(head))]
    rest = sum(widths) - widths[wide] + len(SPACE_BETWEEN) * (len(head) - 1)
    widths[wide] = max(width(head[wide]), min(widths[wide], columns - rest))
    lines = []
    for row in every:
        cells = [
            padded(cut(cell, widths[at]), widths[at], to_the_right=at in numbers)
            for at, cell in enumerate(row)
        ]
        lines.append(SPACE_BETWEEN.join(cells).rstrip())
    return lines


def wrapped(text: str, columns: int) -> Iterator[str]:
    """Yield the lines of a text, with breaks between words; further ones are set in.

    What is set in already, such as a path or lyrics, stays as it is: then it can be copied.
    """
    for line in text.split("\n"):
        if line.startswith(AS_THEY_ARE) or width(line) <= columns:
            yield line
            continue
        current = ""
        for word in line.split():
            longer = f"{current} {word}" if current else word
            if current and width(longer) > columns:
                yield current
                longer = f"  {word}"
            current = longer
        yield current


def quiet(stream: TextIO) -> None:
    """Let a stream whose reader has gone take what is left: nothing complains at the end."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - a device
            os.dup2(nowhere.fileno(), stream.fileno())
