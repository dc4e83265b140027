"""A journal of its own for each test, on a clock that the test moves."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from song_mcp.journal import Journal
from tests.manual_clock import ManualClock
from tests.memory_services import spare_the_disk


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def journal(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Journal]:
    spare_the_disk(monkeypatch)
    opened = Journal(tmp_path / "home" / "journal.sqlite3", clock.now)
    yield opened
    await opened.close()
