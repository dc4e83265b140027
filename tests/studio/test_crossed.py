"""An answer that crosses its cancellation: what is asked next knows that it was lost."""

import threading
from pathlib import Path

import anyio
import pytest

from song_mcp.compose import open_studio
from song_mcp.errors import InvalidRequestError
from song_mcp.journal import failpoints
from song_mcp.journal.failpoints import Failpoint
from song_mcp.settings import Settings
from song_mcp.studio import Call, Studio
from tests.house import environment, open_house
from tests.limits import HANGS_S
from tests.waiting import a_moment


async def test_the_last_clip_is_not_guessed_before_it_is_written_that_its_answer_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is slow: the delivery is still being written when the call is cancelled."""
    async with open_house(tmp_path) as house:
        await house.song(description="x")
        on = await house.ok("extend_song", clip_id="last", description="on")
        assert on["status"] == "completed"
        settings = Settings.read(**environment(house.folder, house.base_url))
        async with open_studio(settings, house.clock, is_working=False) as studio:
            await studio.task(on["task_id"])
            call = Call(told=[on["task_id"]], ended=[on["task_id"]])
            may_end = await begin_to_deliver(studio, call, monkeypatch)
            studio.lost(call)
            async with anyio.create_task_group() as group:
                group.start_soon(repeat, studio)
                for _ in range(5):
                    await a_moment()
                may_end.set()
        assert len(house.posts()) == 2


async def begin_to_deliver(
    studio: Studio, call: Call, monkeypatch: pytest.MonkeyPatch
) -> threading.Event:
    """Begin to write a delivery; it ends when the event is set."""
    is_begun, may_end = threading.Event(), threading.Event()

    def wait(point: Failpoint) -> None:
        if point is Failpoint.BEFORE_DELIVER and not is_begun.is_set():
            is_begun.set()
            may_end.wait(HANGS_S)

    monkeypatch.setattr(failpoints, "hook", wait)
    studio.delivered(call)
    with anyio.fail_after(HANGS_S):
        while not is_begun.is_set():
            await a_moment()
    return may_end


async def repeat(studio: Studio) -> None:
    with pytest.raises(InvalidRequestError, match="never shown"):
        await studio.source("last")
