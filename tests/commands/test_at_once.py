"""Two commands that make the same song at the same time, as two processes do it."""

import os
import sys
from pathlib import Path

import anyio
import pytest

from tests.children import output_of
from tests.house import environment, open_house
from tests.limits import HANGS_S

WISH = ("make", "trams at noon, cheerful", "--yes", "--wait-seconds", "0")


@pytest.mark.long
async def test_two_processes_that_make_the_same_song_at_once_pay_once(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        house.hold()
        env = os.environ | environment(tmp_path, house.base_url)
        said: list[tuple[int, str]] = []

        async def make() -> None:
            status, output = await output_of([sys.executable, "-m", "song_mcp", *WISH], env=env)
            said.append((status, output.decode()))

        with anyio.fail_after(HANGS_S):
            async with anyio.create_task_group() as both:
                for _ in range(2):
                    both.start_soon(make)
        assert len(house.sandbox.accepted) == 1, said
        assert [status for status, _ in said] == [0, 0], said
        joined = ["cost nothing" in " ".join(output.split()) for _, output in said]
        assert sorted(joined) == [False, True], said
