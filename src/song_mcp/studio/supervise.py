"""What must go on whatever happens in it: a loop, a look, a save.

Invariant: a mistake of our own in one task ends neither the server nor what else is under way in
it, where paid submissions are; it is logged with its traceback.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)


@contextmanager
def going_on(what: str) -> Iterator[None]:
    """Log whatever exception `what` raises, and go on after it; cancellation passes."""
    try:
        yield
    except Exception:
        logger.exception("%s failed", what)
