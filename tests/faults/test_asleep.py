"""A machine that sleeps longer than any deadline: what is paid then is paid once, and arrives."""

from functools import partial
from pathlib import Path

import anyio
import pytest

from tests.limits import HANGS_S
from tests.wire import asleep

ASLEEP_S = 70.0
"""Longer than a POST, a download or a call may take."""

pytestmark = pytest.mark.at_size


async def test_a_server_stopped_for_long_in_a_post_and_in_a_wait_pays_once(tmp_path: Path) -> None:
    with anyio.fail_after(2 * ASLEEP_S + HANGS_S):
        await asleep.in_a_post_and_in_a_wait(tmp_path, partial(anyio.sleep, ASLEEP_S))


@pytest.mark.parametrize("goes_on", [True, False], ids=["meanwhile", "afterwards"])
async def test_a_server_stopped_for_long_in_a_save_saves_the_song_once(
    tmp_path: Path, *, goes_on: bool
) -> None:
    with anyio.fail_after(ASLEEP_S + HANGS_S):
        await asleep.in_a_save(tmp_path, partial(anyio.sleep, ASLEEP_S), goes_on_meanwhile=goes_on)
