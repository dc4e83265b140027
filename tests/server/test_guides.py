"""The guides: every limit in them is the one that requests are checked against."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mcp.types import TextResourceContents

from song_mcp.errors import InvalidRequestError
from song_mcp.server import guides
from song_mcp.server.guides import GUIDES
from song_mcp.songs import (
    MODELS,
    NEGATIVE_TAGS_LIMIT,
    Model,
    SongRequest,
)
from tests.house import open_house

PAGES = [guides.styles, guides.lyrics]


def row(page: str, model: str) -> list[str]:
    """The cells of a model's row in the table of limits."""
    (line,) = [line for line in page.splitlines() if line.startswith(f"| {model} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.uri)
async def test_a_guide_is_listed_and_read_as_markdown(tmp_path: Path, guide: guides.Guide) -> None:
    async with open_house(tmp_path, keys=False) as house:
        listed = {item.uri: item for item in (await house.client.list_resources()).resources}
        (content,) = (await house.client.read_resource(guide.uri)).contents
        assert isinstance(content, TextResourceContents)
        assert content.mime_type == listed[guide.uri].mime_type == "text/markdown"
        assert content.text == guide.text()
        assert listed[guide.uri].size == len(content.text.encode())
        annotations = listed[guide.uri].annotations
        assert annotations is not None
        assert annotations.audience == ["assistant"]


@pytest.mark.no_client
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_limit_in_a_guide_is_the_longest_that_is_accepted(
    page: Callable[[], str], model: Model
) -> None:
    lyrics, style, alone, title = (int(cell) for cell in row(page(), model.name)[2:6])
    SongRequest(model, description="x" * alone, title="y" * title)
    with pytest.raises(InvalidRequestError, match="description has"):
        SongRequest(model, description="x" * (alone + 1))
    with pytest.raises(InvalidRequestError, match="title has"):
        SongRequest(model, description="x", title="y" * (title + 1))
    SongRequest(model, lyrics="x" * lyrics, description="y" * style)
    with pytest.raises(InvalidRequestError, match="lyrics has"):
        SongRequest(model, lyrics="x" * (lyrics + 1), description="y")
    with pytest.raises(InvalidRequestError, match="description has"):
        SongRequest(model, lyrics="x", description="y" * (style + 1))


@pytest.mark.no_client
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_what_a_guide_says_a_model_takes_it_takes(page: Callable[[], str], model: Model) -> None:
    takes = row(page(), model.name)[6].split(", ")
    for name, value in (("seed", 7), ("negative_tags", "drums"), ("style_weight", 0.5)):
        extra = {name: value}
        if name in takes:
            SongRequest(model, description="x", **extra)  # type: ignore[arg-type]  # by name
        else:
            with pytest.raises(InvalidRequestError, match=name):
                SongRequest(model, description="x", **extra)  # type: ignore[arg-type]  # by name


@pytest.mark.no_client
@pytest.mark.parametrize("page", PAGES)
def test_price_length_and_state_of_a_model_are_in_a_guide(page: Callable[..., str]) -> None:
    udio, old = MODELS["udio"], MODELS["suno-v3"]
    timed = replace(
        udio,
        name="timed",
        abilities=frozenset({"description", "duration"}),
        durations=(10.0, 240.0),
        usd_per_second=0.0005,
        clips=1,
        state="current",
    )
    free = replace(timed, name="free", is_free=True, most_takes=8)
    said = page([udio, old, timed, free])
    assert row(said, "udio")[7:] == ["$0.05, 2 clips", "unsure: last sign 2026-07-24"]
    assert row(said, "suno-v3")[8] == "retired 2026-09-09"
    assert row(said, "timed")[6:] == ["duration_seconds 10-240", "$0.0005 a second", "current"]
    assert row(said, "free")[7] == "free, up to 8 clips"


@pytest.mark.no_client
@pytest.mark.parametrize("page", PAGES)
def test_a_changed_limit_changes_the_guide(page: Callable[..., str]) -> None:
    changed = replace(MODELS["suno-v5"], lyrics_limit=4711, style_limit=815)
    assert row(page([changed]), "suno-v5")[2:4] == ["4711", "815"]
    assert "4711" not in page()


@pytest.mark.no_client
@pytest.mark.parametrize("page", PAGES)
def test_the_limits_of_every_model_are_in_a_guide(page: Callable[[], str]) -> None:
    assert str(NEGATIVE_TAGS_LIMIT) in page().rpartition("|")[2]
    assert "(1000 for suno-v6, suno-v6-wild or suno-v6-mini)" in page().rpartition("|")[2]
    models = [line.split("|")[1].strip() for line in page().splitlines() if " | " in line]
    assert [name for name in models if name in MODELS] == list(MODELS)
