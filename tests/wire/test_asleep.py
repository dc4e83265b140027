"""A machine that sleeps a moment: what is paid then is paid once, and arrives."""

from pathlib import Path

import anyio
import pytest

from tests.limits import HANGS_S
from tests.waiting import a_moment
from tests.wire import asleep

pytestmark = pytest.mark.one_era("a stopped process speaks no protocol")


async def test_a_server_stopped_in_a_post_and_in_a_wait_pays_once_and_delivers(
    tmp_path: Path,
) -> None:
    with anyio.fail_after(HANGS_S):
        await asleep.in_a_post_and_in_a_wait(tmp_path, a_moment)


async def test_a_server_stopped_in_a_save_saves_the_song_once(tmp_path: Path) -> None:
    with anyio.fail_after(HANGS_S):
        await asleep.in_a_save(tmp_path, a_moment, goes_on_meanwhile=True)
