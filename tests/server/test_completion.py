"""Completion, in both eras: what is offered can be read, and is accepted where it is offered."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import Completion, PromptReference, ResourceTemplateReference, TextResourceContents

from song_mcp.journal import NewTask
from song_mcp.songs import MODELS, Clip, Report
from tests.house import House, open_house

pytestmark = pytest.mark.one_era("what is offered is found behind the protocol")

CLIP = ResourceTemplateReference(uri="song://clips/{clip_id}")
TASK = ResourceTemplateReference(uri="song://tasks/{task_id}")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def offered(house: House, name: str, begun: str) -> Completion:
    ref = TASK if name == "task_id" else CLIP
    return (await house.client.complete(ref, {"name": name, "value": begun})).completion


async def write(house: House, *titles: str, service_title: str = "") -> list[str]:
    """Write finished songs of one clip each; returns the clips' ids."""
    clip_ids = [f"{number:08x}-clip" for number in range(len(titles))]
    async with house.journal() as journal:
        for title, clip_id in zip(titles, clip_ids, strict=True):
            new = NewTask("piapi", "udio", "song", "", title, "slow waltz", {})
            clip = Clip(clip_id, "completed", service_title=service_title)
            report = Report(f"task-{clip_id}", "completed", "completed", clips=(clip,))
            local_id = (await journal.prepare(new, join=False)).task.local_id
            await journal.accept(local_id, new, report.task_id, report)
    return clip_ids


async def read(house: House, name: str) -> str:
    (content,) = (await house.client.read_resource(f"song://clips/{quote(name, safe='')}")).contents
    assert isinstance(content, TextResourceContents)
    return content.text


async def test_a_part_of_a_title_offers_the_title_whatever_its_case(house: House) -> None:
    await write(house, "Lamps", "Quay at Dusk", "ΛΑΪΚΌ")
    assert (await offered(house, "clip_id", "AT dusk")).values == ["Quay at Dusk"]
    assert (await offered(house, "clip_id", "λαϊκ")).values == ["ΛΑΪΚΌ"]
    assert (await offered(house, "clip_id", "zzz")).values == []


async def test_the_services_title_and_the_beginning_of_an_id_are_found_too(house: House) -> None:
    clip_ids = await write(house, "Quay", "Lamps", service_title="Theirs")
    assert (await offered(house, "clip_id", clip_ids[0])).values == ["Quay"]
    assert (await offered(house, "clip_id", "theirs")).values == ["Lamps", "Quay"]


@pytest.mark.both_eras
async def test_nothing_typed_offers_everything_the_last_and_newest_first(house: House) -> None:
    assert (await offered(house, "clip_id", "")).values == []
    await write(house, "Quay", "Lamps")
    completion = await offered(house, "clip_id", "")
    assert completion.values == ["last", "Lamps", "Quay"]
    assert (completion.total, completion.has_more) == (3, False)


async def test_every_clip_offered_is_read_under_the_name_offered(house: House) -> None:
    """Also one with the title of another, of an id, of a name of ours, and with none."""
    titles = ("Quay", "quay", "Last", "00000005", "a/b ?#%", "", "夜の港", "Lamps.mp3")
    clip_ids = await write(house, *titles)
    names = (await offered(house, "clip_id", "")).values
    assert names[0] == "last"
    newest_first = clip_ids[::-1]
    for clip_id, name in zip(newest_first, names[1:], strict=True):
        assert f'"clip_id": "{clip_id}"' in await read(house, name), name
    assert {"夜の港", "a/b ?#%", "Lamps.mp3"} < set(names)
    assert not {"Quay", "Last", "00000005"} & set(names)


async def test_two_takes_of_one_title_are_offered_with_what_tells_them_apart(
    house: House,
) -> None:
    song = await house.song(description="x", title="Quay")
    names = [Path(clip["file"]).stem for clip in song["clips"]]
    assert (await offered(house, "clip_id", "qu")).values == names
    assert (await offered(house, "clip_id", names[1])).values == [names[1]]


async def test_of_more_than_a_hundred_the_first_hundred_are_given(house: House) -> None:
    await write(house, *(f"Quay {number}" for number in range(103)))
    completion = await offered(house, "clip_id", "quay")
    assert completion.values == [f"Quay {number}" for number in range(102, 2, -1)]
    assert (completion.total, completion.has_more) == (103, True)


async def test_a_task_is_offered_by_id_title_description_and_its_clips_titles(
    house: House,
) -> None:
    clip_ids = await write(house, "Quay", "Lamps", service_title="Theirs")
    newest, oldest = f"task-{clip_ids[1]}", f"task-{clip_ids[0]}"
    assert (await offered(house, "task_id", "qua")).values == [oldest]
    assert (await offered(house, "task_id", newest[:-1])).values == [newest]
    assert (await offered(house, "task_id", "WALTZ")).values == [newest, oldest]
    assert (await offered(house, "task_id", "theirs")).values == [newest, oldest]
    assert (await offered(house, "task_id", "")).values == ["last", newest, oldest]


async def test_a_model_is_offered_by_a_part_of_its_name(house: House) -> None:
    assert (await offered(house, "model", "")).values == list(MODELS)
    assert (await offered(house, "model", "V4")).values == ["suno-v4.5", "suno-v4"]


async def test_an_argument_of_another_name_has_no_values(house: House) -> None:
    completion = await offered(house, "colour", "")
    assert (completion.values, completion.total, completion.has_more) == ([], 0, False)


@pytest.mark.both_eras
@pytest.mark.parametrize(
    "ref",
    [ResourceTemplateReference(uri="song://nothing/{clip_id}"), PromptReference(name="no_such")],
)
async def test_what_is_not_offered_at_all_is_a_bad_parameter(
    house: House, ref: ResourceTemplateReference | PromptReference
) -> None:
    with pytest.raises(MCPError, match="no such prompt or template") as caught:
        await house.client.complete(ref, {"name": "clip_id", "value": ""})
    assert caught.value.error.code == -32602


async def test_completing_asks_no_service(house: House) -> None:
    for name in ("clip_id", "task_id", "model"):
        await offered(house, name, "x")
    assert not house.sandbox.requests
