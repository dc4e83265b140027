"""What the model is shown: names, descriptions and schemas as reviewed, and how much they cost."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mcp.types import Tool

from tests.house import open_house

SNAPSHOTS = Path(__file__).parent.parent / "snapshots"
MISSION = {"generate_song", "extend_song", "get_task", "fetch_suno_task"}
PAID = {"generate_song", "extend_song", "generate_lyrics", "resolve_task"}


@pytest.fixture
async def tools(tmp_path: Path) -> list[Tool]:
    async with open_house(tmp_path) as house:
        return (await house.client.list_tools()).tools


def as_json(tool: Tool) -> dict[str, Any]:
    return tool.model_dump(mode="json", by_alias=True, exclude_none=True)


def tokens(*values: object) -> float:
    """UTF-8 bytes of compact JSON over four: what a tokenizer makes of it is near or below."""
    return sum(
        len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) / 4
        for value in values
    )


def prompt_tokens(tool: Tool) -> float:
    return tokens(tool.name, tool.description, tool.input_schema)


async def test_tools_are_as_reviewed(tools: list[Tool]) -> None:
    """Set UPDATE_SNAPSHOTS=1 to write them anew, and review the difference like code."""
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


async def test_schemas_are_flat_closed_and_described(tools: list[Tool]) -> None:
    for tool in tools:
        Draft202012Validator.check_schema(tool.input_schema)
        assert tool.output_schema is not None
        Draft202012Validator.check_schema(tool.output_schema)
        assert tool.input_schema["type"] == tool.output_schema["type"] == "object"
        assert tool.input_schema["additionalProperties"] is False
        written = json.dumps([tool.input_schema, tool.output_schema])
        assert not any(word in written for word in ("$ref", "$defs", "anyOf", "null"))
        for name, schema in tool.input_schema["properties"].items():
            assert schema.get("type") in {"string", "number", "integer", "boolean"}, name
            assert schema.get("description"), name


async def test_annotations_are_truthful(tools: list[Tool]) -> None:
    for tool in tools:
        assert tool.annotations is not None
        if tool.name in PAID:
            assert tool.annotations.read_only_hint is False
            assert tool.annotations.idempotent_hint is False
            assert tool.annotations.destructive_hint is False
            assert tool.annotations.open_world_hint is True
        else:
            assert tool.annotations.read_only_hint is True
        assert tool.title
