"""A test that nothing can end but the end of its process; run by tests/test_ending.py."""

import time
from contextlib import suppress


def test_that_takes_no_failure() -> None:
    while True:
        with suppress(BaseException):
            time.sleep(9999)
