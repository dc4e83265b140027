"""What was found of one thing."""

from dataclasses import dataclass
from typing import Literal

Standing = Literal["ok", "note", "wrong"]


@dataclass(frozen=True)
class Finding:
    """What was found of `what`: a sentence, and the one thing to `do`, "" if there is none.

    A note is worth knowing and hinders nothing; what is wrong hinders songs.
    """

    what: str
    standing: Standing
    says: str
    do: str = ""


def ok(what: str, says: str) -> Finding:
    """Return that all is well."""
    return Finding(what, "ok", says)


def note(what: str, says: str, do: str = "") -> Finding:
    """Return what is worth knowing."""
    return Finding(what, "note", says, do)


def wrong(what: str, says: str, do: str) -> Finding:
    """Return a fault, and what to do about it."""
    return Finding(what, "wrong", says, do)
