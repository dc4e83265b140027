"""What an id may look like, whoever gave it out.

Invariant: an id that passes can be quoted into a URL and shown to a person; no more is assumed.
"""

import re

from song_mcp.errors import InvalidRequestError

ID_LIMIT = 200
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def is_uuid(value: str) -> bool:
    """Tell whether it has the form of the ids that services give to songs."""
    return UUID.fullmatch(value) is not None


def checked_id(name: str, value: str) -> str:
    """Give the id `value` of argument `name`, trimmed, or raise InvalidRequestError.

    An id is opaque, but it has 1 to 200 visible characters, no space, and more than dots and
    dashes: anything else was never given out by a service.
    """
    value = value.strip()
    is_visible = value.isprintable() and " " not in value
    if is_visible and len(value) <= ID_LIMIT and any(char.isalnum() for char in value):
        return value
    raise InvalidRequestError(
        f"{name} must be an id of 1 to {ID_LIMIT} visible characters; list_songs shows known ones."
    )
