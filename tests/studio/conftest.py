"""What the tests of the studio share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from song_mcp.journal import Journal
from tests.manual_clock import ManualClock
from tests.memory_services import MemoryServices, spare_the_disk
from tests.processes import World


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Yield a journal that nobody has opened yet, and services whose songs take an hour."""
    spare_the_disk(monkeypatch)
    clock = ManualClock()
    theirs = Journal(tmp_path / "home" / "journal.sqlite3", clock.now)
    yield World(tmp_path, clock, MemoryServices(clock, song_s=3600.0), theirs)
    await theirs.close()
