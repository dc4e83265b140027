"""Keeping loops, looks and saves running after an error.

An error of our own in one task is logged with its traceback. It ends neither the server nor the
other tasks in it, among which are paid submissions.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)


@contextmanager
def going_on(what: str) -> Iterator[None]:
    """Log any exception that is raised inside, as one of `what`, and go on; cancellation passes."""
    try:
        yield
    except Exception:
        logger.exception("%s failed", what)
