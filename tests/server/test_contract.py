"""What the model is shown: names, descriptions and schemas as reviewed, and their size."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mcp.types import Tool

from song_mcp.songs import MODELS
from tests.eras import APPS
from tests.house import open_house, text

SNAPSHOTS = Path(__file__).parent.parent / "snapshots"
MISSION = {"generate_song", "extend_song", "get_task", "fetch_suno_task"}
PAID = {"generate_song", "extend_song", "cover_song", "generate_lyrics", "resolve_task"}
FOR_THE_PAGE = {"read_clip"}
CONFIRMS = {"check_account"}
"""Free, but it can lift a refusal to pay, so that a host may ask the person first."""


@pytest.fixture
async def tools(tmp_path: Path) -> list[Tool]:
    """All tools, also those that only a client with pages is offered."""
    async with open_house(tmp_path, extensions=[APPS]) as house:
        return (await house.client.list_tools()).tools


def as_json(tool: Tool) -> dict[str, Any]:
    return tool.model_dump(mode="json", by_alias=True, exclude_none=True)


def tokens(*values: object) -> float:
    """A quarter of the UTF-8 bytes of compact JSON: about the number of tokens, or more."""
    return sum(
        len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) / 4
        for value in values
    )


def prompt_tokens(tool: Tool) -> float:
    return tokens(tool.name, tool.description, tool.input_schema)


async def test_tools_are_as_reviewed(tools: list[Tool]) -> None:
    """Set UPDATE_SNAPSHOTS=1 to write the snapshots again, and review the difference like code."""
    for tool in tools:
        path = SNAPSHOTS / f"{tool.name}.json"
        written = json.dumps(as_json(tool), indent=2, ensure_ascii=False) + "\n"
        if os.environ.get("UPDATE_SNAPSHOTS") == "1":
            path.write_text(written, encoding="utf-8")
        reviewed = json.loads(path.read_text(encoding="utf-8"))  # the eras order keys differently
        assert reviewed == as_json(tool), f"{path.name} is not what is served"
    assert {path.stem for path in SNAPSHOTS.glob("*.json")} == {tool.name for tool in tools}


async def test_the_prompt_costs_at_most_what_was_promised(tools: list[Tool]) -> None:
    costs = {tool.name: prompt_tokens(tool) for tool in tools}
    assert sum(costs[name] for name in MISSION) <= 1200, costs
    assert sum(costs.values()) <= 2000, costs


async def test_schemas_are_flat_described_and_taken_by_every_converter(tools: list[Tool]) -> None:
    for tool in tools:
        Draft202012Validator.check_schema(tool.input_schema)
        assert tool.output_schema is not None
        Draft202012Validator.check_schema(tool.output_schema)
        assert tool.input_schema["type"] == tool.output_schema["type"] == "object"
        written = json.dumps([tool.input_schema, tool.output_schema])
        assert not any(word in written for word in ("$ref", "$defs", "anyOf", '"null"'))
        assert '"additionalProperties": false' not in written
        required = tool.input_schema.get("required", [])
        for name, schema in tool.input_schema["properties"].items():
            assert schema.get("type") in {"string", "number", "integer", "boolean"}, name
            assert schema.get("description"), name
            assert schema.get("nullable", False) is (name not in required), name
            assert "default" not in schema, name
            assert "" not in schema.get("enum", []), name


async def test_limits_are_in_the_words_too(tools: list[Tool]) -> None:
    """Some clients hand on nothing but types and words, such as LlamaIndex."""
    numbers = {
        (tool.name, name): schema
        for tool in tools
        for name, schema in tool.input_schema["properties"].items()
        if schema["type"] in {"number", "integer"} and tool.name != "read_clip"
    }
    assert "0 to 55" in numbers["get_task", "wait_seconds"]["description"]
    assert "1 to 50" in numbers["list_songs", "limit"]["description"]
    for (tool, name), schema in numbers.items():
        if "maximum" in schema and name != "seed":  # 32 bits are more than anyone asks for
            limits = f"{schema['minimum']} to {schema['maximum']}"
            assert limits in schema["description"], (tool, name)


async def test_choices_are_in_the_words_too(tools: list[Tool]) -> None:
    for tool in tools:
        for name, schema in tool.input_schema["properties"].items():
            for choice in schema.get("enum", ()):
                assert re.search(rf"\b{choice}\b", schema["description"]), (tool.name, name)
    (song,) = (tool for tool in tools if tool.name == "generate_song")
    told = song.input_schema["properties"]["model"]["description"]
    assert all(model.name in told for model in MODELS.values() if model.state != "retired")


async def test_each_tool_refuses_what_its_schema_does_not_name(tmp_path: Path) -> None:
    """However near the name is to one that there is, and with null for all else."""
    async with open_house(tmp_path, extensions=[APPS]) as house:
        for tool in (await house.client.list_tools()).tools:
            known = tool.input_schema["properties"]
            required = dict.fromkeys(tool.input_schema.get("required", []), "last")
            for name in ("nobody_knows", "additionalProperties", *(f"{each}s" for each in known)):
                told = await house.error(tool.name, **required | {name: "x"})
                assert told.startswith(f"There is no argument '{name}'"), tool.name
            nulls = dict.fromkeys(known, None)
            told = await house.error(tool.name, **nulls | required | {"nobody_knows": "x"})
            assert told.startswith("There is no argument 'nobody_knows'"), tool.name
        assert not house.posts()


async def test_every_whole_number_has_bounds_that_any_parser_can_read(tools: list[Tool]) -> None:
    """But for the one that the server fits into its bounds."""
    numbers = [
        (tool.name, name, schema)
        for tool in tools
        for name, schema in tool.input_schema["properties"].items()
        if schema.get("type") == "integer" and name != "limit"
    ]
    assert numbers
    for number in numbers:
        assert -(2**53) < number[2]["minimum"] < number[2]["maximum"] < 2**53, number


async def test_annotations_are_truthful(tools: list[Tool]) -> None:
    for tool in tools:
        assert tool.annotations is not None
        if tool.name in PAID:
            assert tool.annotations.read_only_hint is False
            assert tool.annotations.idempotent_hint is False
            assert tool.annotations.destructive_hint is False
            assert tool.annotations.open_world_hint is True
        else:
            assert tool.annotations.read_only_hint is (tool.name not in CONFIRMS)
            assert tool.annotations.destructive_hint is False
        assert tool.title


@pytest.mark.parametrize("model", ["udio", "suno-v6"])
async def test_answers_stay_within_their_tokens_as_they_are_served(
    tmp_path: Path, model: str
) -> None:
    """A quarter of the bytes, as everywhere here, of the text and of the structured content."""
    async with open_house(tmp_path) as house:
        running = await house.call(
            "generate_song", description="x [[slow:1000]]", model=model, wait_seconds=0.2
        )
        assert running.structured_content is not None
        task_id = running.structured_content["task_id"]
        looked = await house.call("get_task", task_id=task_id, wait_seconds=0.2)
        song = await house.song(description="x", model=model)
        done = await house.call("get_task", task_id=song["task_id"])
    for result, status, limit in (
        (running, {"pending", "processing"}, 80),
        (looked, {"pending", "processing"}, 80),
        (done, {"completed"}, 600),
    ):
        assert result.structured_content is not None
        assert result.structured_content["status"] in status
        assert tokens(result.structured_content) <= limit
        assert len(text(result).encode()) / 4 <= limit
    assert len(done.structured_content["clips"]) == 2


LONG_TITLE = "Ein langer Abend am Meer, zweiter Teil"
FOLDERS = ("/home/christine.hofmann/Music/song-mcp", r"C:\Users\Christine Hofmann\Music\song-mcp")


@pytest.mark.parametrize("model", ["udio", "suno-v6"])
@pytest.mark.parametrize("title", ["", LONG_TITLE])
async def test_two_saved_clips_cost_at_most_what_was_promised(
    tmp_path: Path, model: str, title: str
) -> None:
    """With the clips of the sandbox, as long as songs are and in folders as people have them."""
    async with open_house(tmp_path) as house:
        song = await house.song(description="slow harbour waltz", model=model, title=title)
        result = await house.call("get_task", task_id=song["task_id"])
    sandbox = json.dumps(str(tmp_path / "library"))[1:-1]
    for folder in FOLDERS:
        told = json.dumps(result.structured_content).replace(sandbox, json.dumps(folder)[1:-1])
        structured = json.loads(told.replace("1.008", "182.364"))
        words = text(result).replace(sandbox, folder).replace(", 1 s", ", 182.4 s")
        assert len(structured["clips"]) == 2
        for clip in structured["clips"]:
            assert clip["file"].startswith(folder)
            assert clip["file"] in words
            assert clip["clip_id"] in words
        assert tokens(structured) <= 250
        assert len(words.encode()) / 4 <= 110


SEARCHED = {
    "generate_song": {"song", "music", "audio", "track", "make", "create", "compose", "lyrics"},
    "extend_song": {"song", "music", "audio", "track", "longer", "extend", "continue"},
    "cover_song": {"song", "music", "track", "cover", "remix", "style"},
    "get_task": {"song", "music", "audio", "track", "ready", "task"},
    "fetch_suno_task": {"song", "music", "audio", "suno", "task"},
    "join_song": {"song", "music", "audio", "track", "join", "merge"},
    "generate_lyrics": {"song", "music", "lyrics", "words"},
    "list_songs": {"songs", "music", "audio", "tracks", "library", "find"},
    "play_song": {"song", "music", "audio", "track", "play", "listen"},
    "check_account": {"songs", "music", "balance", "credits", "money"},
    "resolve_task": {"song", "doubt", "charged"},
}
"""What people ask for in their words, by the tool that clients must find which load tools late."""
SEARCH_HINT = "anthropic/searchHint"


async def test_a_search_for_tools_finds_them_by_the_words_that_people_use(
    tools: list[Tool],
) -> None:
    by_name = {tool.name: tool for tool in tools}
    assert {*SEARCHED, *FOR_THE_PAGE} >= set(by_name)
    for name, words in SEARCHED.items():
        tool = by_name[name]
        said = f"{name} {tool.title} {tool.description} {(tool.meta or {})[SEARCH_HINT]}"
        assert words <= set(re.findall("[a-z]+", said.casefold())), name
    for name in ("generate_song", "get_task", "play_song", "list_songs"):
        assert "song" in str(by_name[name].description), "some clients search descriptions alone"


async def test_search_hints_are_short_phrases_as_clients_show_them(tools: list[Tool]) -> None:
    hints = {tool.name: (tool.meta or {}).get(SEARCH_HINT, "") for tool in tools}
    assert all(len(hint) <= 60 and not hint.endswith(".") for hint in hints.values()), hints
    assert not {name for name, hint in hints.items() if not hint} - FOR_THE_PAGE


IN_ORDER = (
    "MONEY",
    "payment",
    "RUNNING",
    "get_task",
    "IN_DOUBT",
    "with check",
    "data written by",
)
"""What the instructions say, the critical part first: some clients cut the end off."""


async def test_the_instructions_are_short_and_begin_with_what_costs_money(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        said = house.client.instructions or ""
        tools = {tool.name for tool in (await house.client.list_tools()).tools}
    assert len(said) < 1500
    places = [said.index(word) for word in IN_ORDER]
    assert places == sorted(places)
    assert places[4] < 900
    named = set(re.findall(r"[a-z]+_[a-z_]+", said)) - {"another_take", "task_id", "submit_again"}
    assert PAID <= named <= tools
