"""Named points at which a test may end the process: around each commit, upload and paid POST.

Outside tests `reach` does nothing. The names are an enumeration, so that a test can walk all of
them and none is forgotten.
"""

from collections.abc import Callable
from enum import StrEnum


class Failpoint(StrEnum):
    """Every point; each commit has one before it and one after it."""

    BEFORE_PREPARE = "before-prepare"
    AFTER_PREPARE = "after-prepare"
    BEFORE_ATTACH = "before-attach"
    AFTER_ATTACH = "after-attach"
    BEFORE_BEGIN = "before-begin"
    AFTER_BEGIN = "after-begin"
    BEFORE_POST = "before-post"
    AFTER_POST = "after-post"
    BEFORE_ACCEPT = "before-accept"
    AFTER_ACCEPT = "after-accept"
    BEFORE_REJECT = "before-reject"
    AFTER_REJECT = "after-reject"
    BEFORE_DOUBT = "before-doubt"
    AFTER_DOUBT = "after-doubt"
    BEFORE_ORPHAN = "before-orphan"
    AFTER_ORPHAN = "after-orphan"
    BEFORE_CLAIM = "before-claim"
    AFTER_CLAIM = "after-claim"
    BEFORE_RECORD = "before-record"
    AFTER_RECORD = "after-record"
    BEFORE_ADOPT = "before-adopt"
    AFTER_ADOPT = "after-adopt"
    BEFORE_SAVE = "before-save"
    AFTER_SAVE = "after-save"
    BEFORE_DELIVER = "before-deliver"
    AFTER_DELIVER = "after-deliver"
    BEFORE_SETTLE = "before-settle"
    AFTER_SETTLE = "after-settle"
    BEFORE_UNFOLLOW = "before-unfollow"
    AFTER_UNFOLLOW = "after-unfollow"


hook: Callable[[Failpoint], None] | None = None
"""What a test runs at each point; None outside tests."""


def reach(point: Failpoint) -> None:
    """Run the test's hook, if there is one, at `point`."""
    if hook is not None:
        hook(point)


def around(name: str) -> tuple[Failpoint, Failpoint]:
    """Return the points before and after the commit `name`."""
    return Failpoint(f"before-{name}"), Failpoint(f"after-{name}")
