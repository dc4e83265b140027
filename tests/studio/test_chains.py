"""Which clips an extended song is made of, as the journal knows it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from song_mcp.journal import Journal, NewTask
from song_mcp.songs import MODELS, Clip, ExtensionRequest, Report, Source, Task
from song_mcp.studio.chains import LONGEST, Chain, Stretch, chain_of, continuation, whole_clip
from song_mcp.studio.submitter import _as_json  # as the journal has what was asked for
from tests.manual_clock import ManualClock
from tests.memory_services import spare_the_disk


@dataclass
class Studio:
    """Writes songs and extensions into a journal, as if a service had made them."""

    journal: Journal

    async def song(
        self, clip_id: str, seconds: float | None = 60.0, model: str = "suno-v5"
    ) -> None:
        await self._made(model, "song", clip_id, seconds, {"description": "waltz"})

    async def extension(
        self,
        clip_id: str,
        seconds: float | None,
        source: Source,
        at_s: float | None = None,
        model: str = "suno-v5",
    ) -> None:
        asked = ExtensionRequest(
            model=MODELS[model], description="more", source=source, continue_at_s=at_s
        )
        await self._made(model, "extension", clip_id, seconds, _as_json(asked))

    async def _made(
        self, model: str, kind: str, clip_id: str, seconds: float | None, request: dict[str, object]
    ) -> None:
        new = NewTask(MODELS[model].service, model, kind, "", "", "", request)  # type: ignore[arg-type]
        task = (await self.journal.prepare(new, join=False)).task
        clips = (Clip(clip_id, "completed", duration_s=seconds),)
        report = Report(f"task-{clip_id}", "completed", "completed", clips=clips)
        await self.journal.accept(task.local_id, new, report.task_id, report)

    async def chain(self, clip_id: str) -> Chain:
        return chain_of(await self.journal.lineage(clip_id, LONGEST + 1))


@pytest.fixture
async def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Studio]:
    spare_the_disk(monkeypatch)
    journal = Journal(tmp_path / "journal.sqlite3", ManualClock().now)
    yield Studio(journal)
    await journal.close()


def parts(chain: Chain) -> list[tuple[str, float | None]]:
    return [(part.clip.clip_id, part.until_s) for part in chain.parts]


async def test_a_new_song_is_a_chain_of_one(studio: Studio) -> None:
    await studio.song("one", 60.0)
    chain = await studio.chain("one")
    assert (parts(chain), chain.gap, chain.length_s) == ([("one", None)], "", 60.0)


async def test_a_suno_extension_follows_what_it_continues_up_to_its_position(
    studio: Studio,
) -> None:
    await studio.song("one", 155.0)
    await studio.extension("two", 97.0, Source("one", "task-one", "", 155.0), 120.5)
    chain = await studio.chain("two")
    assert parts(chain) == [("one", 120.5), ("two", None)]
    assert chain.length_s == 217.5


async def test_without_a_position_it_follows_the_end(studio: Studio) -> None:
    await studio.song("one", 155.0)
    await studio.extension("two", 97.0, Source("one", "task-one", "", 155.0))
    assert (await studio.chain("two")).length_s == 252.0


async def test_a_position_counts_within_the_part_that_it_continues(studio: Studio) -> None:
    await studio.song("one", 100.0)
    await studio.extension("two", 50.0, Source("one", "task-one", "", 100.0), 90.0)
    await studio.extension("three", 40.0, Source("two", "task-two", "", 50.0), 10.0)
    chain = await studio.chain("three")
    assert parts(chain) == [("one", 90.0), ("two", 10.0), ("three", None)]
    assert chain.length_s == 140.0


@pytest.mark.parametrize(
    ("seconds", "at_s", "expected"),
    [
        (32.8, None, [("one", 131.1), ("two", None)]),
        (32.8, 0.0, [("one", 131.1), ("two", None)]),
        (32.8, 20.0, [("one", 20.0), ("two", None)]),
        (163.9, None, [("two", None)]),
        (163.9, 0.0, [("two", None)]),
        (52.8, 20.0, [("two", None)]),
        (None, 20.0, [("one", 20.0), ("two", None)]),
    ],
)
async def test_the_length_of_an_udio_extension_shows_whether_it_contains_its_source(
    studio: Studio,
    seconds: float | None,
    at_s: float | None,
    expected: list[tuple[str, float | None]],
) -> None:
    await studio.song("one", 131.1, "udio")
    await studio.extension("two", seconds, Source("one", "task-one", "", 131.1), at_s, "udio")
    assert parts(await studio.chain("two")) == expected


async def test_a_chain_begins_with_the_extension_that_contains_the_rest(studio: Studio) -> None:
    await studio.song("one", 131.1, "udio")
    await studio.extension("two", 163.1, Source("one", "task-one", "", 131.1), None, "udio")
    await studio.extension("three", 32.0, Source("two", "task-two", "", 163.1), 100.0, "udio")
    assert parts(await studio.chain("three")) == [("two", 100.0), ("three", None)]


async def test_a_source_that_was_made_elsewhere_begins_the_chain(studio: Studio) -> None:
    report = Report("t", "completed", "SUCCESS", "extension", clips=(Clip("one", "completed"),))
    await studio.journal.adopt("gptge", "", report)
    await studio.extension("two", 97.0, Source("one", "t"), 30.0)
    chain = await studio.chain("two")
    assert (parts(chain), chain.gap) == ([("one", 30.0), ("two", None)], "")
    assert chain.length_s == 127.0


async def test_a_source_that_the_journal_does_not_have_is_a_gap(studio: Studio) -> None:
    await studio.extension("two", 97.0, Source("gone", "t", "", 60.0), 30.0)
    chain = await studio.chain("two")
    assert parts(chain) == [("two", None)]
    assert "Clip two continues clip gone, which the journal does not have" in chain.gap


async def test_the_source_is_looked_for_at_the_same_service(studio: Studio) -> None:
    await studio.song("one", 131.1, "udio")
    await studio.extension("two", 97.0, Source("one", "t", "", 60.0), 30.0)
    assert (await studio.chain("two")).gap


async def test_an_extension_that_lists_its_source_too_is_not_taken_for_it(studio: Studio) -> None:
    await studio.song("one", 60.0)
    await studio.extension("one", 60.0, Source("one", "task-one", "", 60.0), 30.0)
    lineage = await studio.journal.lineage("one", LONGEST)
    assert len(lineage) == 1


async def test_clips_that_continue_each_other_end_the_chain_with_a_gap(studio: Studio) -> None:
    await studio.extension("one", 60.0, Source("two", "task-two", "", 60.0), 30.0)
    await studio.extension("two", 60.0, Source("one", "task-one", "", 60.0), 30.0)
    chain = await studio.chain("two")
    assert parts(chain) == [("one", 30.0), ("two", None)]
    assert "in turn" in chain.gap


async def test_a_chain_has_a_longest_length(studio: Studio) -> None:
    await studio.song("0", 60.0)
    for number in range(1, LONGEST + 1):
        before = str(number - 1)
        await studio.extension(str(number), 60.0, Source(before, f"task-{before}", "", 60.0), 30.0)
    assert not (await studio.chain(str(LONGEST - 1))).gap
    chain = await studio.chain(str(LONGEST))
    assert len(chain.parts) == LONGEST
    assert "more than 50 parts" in chain.gap


async def test_an_unknown_length_makes_the_whole_unknown(studio: Studio) -> None:
    await studio.song("one", None)
    await studio.extension("two", 97.0, Source("one", "task-one"), 30.0)
    await studio.extension("three", None, Source("two", "task-two", "", 97.0), 20.0)
    assert (await studio.chain("two")).length_s == 127.0
    assert (await studio.chain("three")).length_s is None


@pytest.mark.parametrize(
    "request_json",
    [
        {},
        {"source": "one"},
        {"source": {}},
        {"source": {"clip_id": ""}},
        {"source": None, "continue_at_s": 3},
    ],
)
async def test_a_record_that_is_damaged_continues_nothing(
    studio: Studio, request_json: dict[str, object]
) -> None:
    new = NewTask("gptge", "suno-v5", "extension", "", "", "", request_json)
    task = (await studio.journal.prepare(new, join=False)).task
    assert continuation(task, Clip("two", "completed")) is None


@pytest.mark.parametrize("at_s", ["30", -1, 0, 4000, True, None, 1e400])
async def test_a_position_that_cannot_be_is_the_end(studio: Studio, at_s: object) -> None:
    source = {"clip_id": "one", "duration_s": 60.0}
    new = NewTask(
        "gptge", "suno-v5", "extension", "", "", "", {"source": source, "continue_at_s": at_s}
    )
    task = (await studio.journal.prepare(new, join=False)).task
    continued = continuation(task, Clip("two", "completed"))
    assert continued is not None
    assert continued.at_s == 60.0


def test_a_whole_song_has_the_words_of_its_parts_without_times() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    first = Task("l1", "piapi", "diffrhythm", "song", "completed", now)
    then = replace(first, local_id="l2", model="ace-step", kind="extension")
    parts = (
        Stretch(first, Clip("c1", "completed", lyrics="[00:01.00]Trams\n[00:02.00]Ring"), 60.0),
        Stretch(then, Clip("c2", "completed", lyrics="[outro]\nLamps"), None),
    )
    assert whole_clip(Chain(parts)).lyrics == "Trams\nRing\n\n[outro]\nLamps"
