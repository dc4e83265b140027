"""Ids: which ones are taken from services, and which of them people and models may read."""

import hashlib
import re

from song_mcp.errors import InvalidRequestError

ID_LIMIT = 200
HEX = re.compile(r"[0-9a-f]+", re.IGNORECASE)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
PLAIN_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
GATEWAY_ID = re.compile(r"task_(?=(?:[A-Za-z]*[0-9]){2})[A-Za-z0-9]{32}")
"""The form of a task id of current new-api gateways: random letters and digits."""
ID_WORD = re.compile(r"[A-Za-z]{3,}")
ID_WORDS, ID_WORD_LETTERS = 1, 12
"""How many words an id may have, and how many letters its word: with more it could be a sentence.
Runs of hexadecimal digits are no words."""
HARMLESS = frozenset({"task", "clip", "song"})
"""Words that an id may have as well."""
OWN_CLIP_ID = re.compile(r"clip-[0-9a-f]{16}")


def is_uuid(value: str) -> bool:
    """Tell whether it has the form of the ids that services give to songs."""
    return UUID.fullmatch(value) is not None


def checked_id(name: str, value: str) -> str:
    """Return the id `value` of argument `name`, trimmed, or raise InvalidRequestError.

    An id is opaque, but it has 1 to 200 visible characters without a space, and at least one letter
    or digit: no service gives out other ids. One that passes can be quoted into a URL and shown to
    a person; nothing else is assumed.
    """
    value = value.strip()
    is_visible = value.isprintable() and " " not in value
    if is_visible and len(value) <= ID_LIMIT and any(char.isalnum() for char in value):
        return value
    raise InvalidRequestError(
        f"{name} must be an id of 1 to {ID_LIMIT} visible characters; list_songs shows known ones."
    )


def is_plain_id(value: str) -> bool:
    """Tell whether a service's id may stand in a sentence, in a result and in a URI.

    It is ASCII, has at most 64 characters, and cannot be read as a sentence to a model.
    """
    if GATEWAY_ID.fullmatch(value):
        return True
    found = (word for word in ID_WORD.findall(value) if word.lower() not in HARMLESS)
    words = [word for word in found if not HEX.fullmatch(word)]
    are_few = len(words) <= ID_WORDS and all(len(word) <= ID_WORD_LETTERS for word in words)
    return are_few and PLAIN_ID.fullmatch(value) is not None


def public_clip_id(clip_id: str) -> str:
    """Return a clip's id if it is plain, else one of ours that stands for it and no other."""
    if is_plain_id(clip_id):
        return clip_id
    return f"clip-{hashlib.sha256(clip_id.encode(errors='backslashreplace')).hexdigest()[:16]}"
