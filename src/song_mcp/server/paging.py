"""The list of resources, page by page.

Invariant: the guides come first and the order never changes; whoever follows the cursors sees
every clip that was there at the start exactly once, also while new ones land. A cursor holds a
place, and nothing that could not be read in the list; one that is not ours is refused.
"""

import base64
import json
import math
from binascii import Error as NotBase64
from typing import cast

from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS

Place = tuple[float, int, int, int]

PAGE = 50
"""How many clips are on a page."""
LARGEST = 2**63


def cursor(place: Place) -> str:
    """Give the place as text that means nothing to a client."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def place(cursor: str) -> Place:
    """Give the place that a cursor holds; raises MCPError (-32602) for one that is not ours."""
    try:
        values = json.loads(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        )
    except (ValueError, NotBase64, RecursionError):
        values = None
    if not _is_place(values):
        text = "This cursor was not given out by song-mcp. List without a cursor to start again."
        raise MCPError(code=INVALID_PARAMS, message=text)
    return cast("Place", tuple(values))


def _is_place(values: object) -> bool:
    if not isinstance(values, list) or len(values) != len(
        ("created_at", "task", "position", "clip")
    ):
        return False
    created_at, *others = values
    is_time = isinstance(created_at, float) and math.isfinite(created_at)
    return is_time and all(type(each) is int and abs(each) < LARGEST for each in others)
