"""Songs whose links do not work at first: each of them is saved in the end, and paid once."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import pytest

from tests.faults.fault_service import FaultService, serving
from tests.faults.harness import Home, clips_in, nursery, started
from tests.faults.scale import report, scaled
from tests.limits import HANGS_S
from tests.waiting import a_moment

SONGS = 300
SERVERS = 4
SPEED = 60.0
"""An hour in a minute: the tries of the first minute after the end take a second."""
REFUSALS = 3
MODELS = ("udio", "suno-v5")


@pytest.mark.first
@pytest.mark.at_size
@pytest.mark.parametrize("is_odd", [False, True], ids=["as usual", "in odd forms"])
async def test_every_clip_whose_link_fails_three_times_is_saved(
    tmp_path: Path, *, is_odd: bool
) -> None:
    songs = scaled(SONGS, least=16)
    with nursery() as forks:
        async with serving(FaultService(is_odd=is_odd, refusals=REFUSALS)) as service:
            home = replace(Home(tmp_path / "home", service.base_url, forks), clock_speed=SPEED)
            async with anyio.create_task_group() as servers:
                are_saved = anyio.Event()
                for number in range(SERVERS):
                    share = range(number, songs, SERVERS)
                    servers.start_soon(partial(_make, home, share, are_saved, looks=is_odd))
                with anyio.fail_after(HANGS_S + songs):
                    while len(_files(home)) < songs or not _are_saved(home):
                        await a_moment()
                are_saved.set()
    clips = clips_in(home.journal)
    report(
        f"late links{' in odd forms' * is_odd}: {songs} songs, {service.accepted_count} paid, "
        f"{service.refused_links} links refused, {service.late_links} came late, "
        f"{sum(map(bool, (clip['file'] for clip in clips)))} of {len(clips)} clips saved"
    )
    assert service.accepted_count == songs
    assert service.refused_links == songs * REFUSALS
    assert len(clips) == songs
    assert {Path(clip["file"]) for clip in clips} == _files(home)


def _files(home: Home) -> set[Path]:
    return set((home.folder / "library").rglob("*.wav"))


def _are_saved(home: Home) -> bool:
    return all(clip["file"] for clip in clips_in(home.journal))


async def _make(home: Home, share: range, are_saved: anyio.Event, *, looks: bool) -> None:
    """Ask for the songs of one server, and let it run until those of all are saved.

    A clip that has no link in an ended task is asked for when somebody `looks` at the task.
    """
    async with started(home) as server:
        await server.hello()
        made = []
        for number in share:
            text = f"song-late-{number} ends"
            model = MODELS[number // SERVERS % len(MODELS)]
            call = await server.call("generate_song", description=text, model=model)
            made.append(call.task["task_id"])
        while looks and not are_saved.is_set():
            for task_id in made:
                await server.call("get_task", task_id=task_id, wait_seconds=20)
        await are_saved.wait()
        await server.hang_up()
        await server.ended()
