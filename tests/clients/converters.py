"""The tools as each framework hands them to its model's service: all of them, and nothing is lost.

What is needed is names, words, types, choices, and what must be given. What a converter drops
beside that stands in `DROPPED`. Run by `make clients`.
"""

from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import Tool

from tests.clients.running import SERVER, Run

Json = dict[str, Any]

DROPPED: dict[str, set[str]] = {
    "google": {"nullable"},
    "langchain": set(),
    "llamaindex": {"minimum", "maximum"},
    "openai": set(),
    "pydantic": set(),
    "smol": set(),
}
"""What each leaves out of an argument's schema. Limits are in the words too, and `required` says as
much as `nullable`."""


@pytest.fixture(scope="session")
async def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tool]:
    """The tools as a client without pages gets them, which all of these are."""
    folder = tmp_path_factory.mktemp("published")
    command, *arguments = SERVER
    server = StdioServerParameters(command=command, args=arguments, env={"HOME": str(folder)})
    async with Client(stdio_client(server)) as client:
        return {tool.name: tool for tool in (await client.list_tools()).tools}


def arguments(schema: Json) -> dict[str, Json]:
    """Return the schemas of a tool's arguments, those of all converters in one form."""
    return {name: plain(each) for name, each in schema.get("properties", {}).items()}


def plain(schema: Json) -> Json:
    """Return an argument's schema with a choice of null as `nullable`, its type in lower case."""
    choices = schema.get("anyOf", [{}])
    [own] = [each for each in choices if each != {"type": "null"}]
    null = {"nullable": True} if len(choices) > 1 else {}
    merged = {key: value for key, value in schema.items() if key != "anyOf"} | own | null
    return {**merged, "type": merged["type"].lower()}


async def test_every_tool_converts(run: Run, published: dict[str, Tool]) -> None:
    assert {tool["name"] for tool in run.offered} == set(published)
    for tool in run.offered:
        assert tool["description"] == published[tool["name"]].description


async def test_nothing_needed_of_an_argument_is_lost(run: Run, published: dict[str, Tool]) -> None:
    needed = ("type", "description", "enum")
    for tool in run.offered:
        ours = arguments(published[tool["name"]].input_schema)
        theirs = arguments(tool["parameters"])
        assert theirs.keys() == ours.keys()
        for name, schema in ours.items():
            told = {key: theirs[name].get(key) for key in needed}
            assert told == {key: schema.get(key) for key in needed}, (tool["name"], name)


async def test_what_must_be_given_is_told_apart(run: Run, published: dict[str, Tool]) -> None:
    """A strict service wants every argument, and null for what is not given."""
    for tool in run.offered:
        parameters = tool["parameters"]
        ours = published[tool["name"]].input_schema.get("required", [])
        optional = {
            name for name, each in arguments(parameters).items() if each.get("nullable", False)
        }
        if run.name == "openai":
            assert tool["strict"] is True
            assert set(parameters["required"]) == set(parameters["properties"])
            assert set(parameters["properties"]) - optional == set(ours)
        else:
            assert set(parameters.get("required", [])) == set(ours), tool["name"]


async def test_limits_that_are_dropped_are_in_the_words(
    run: Run, published: dict[str, Tool]
) -> None:
    dropped = set()
    for tool in run.offered:
        theirs = arguments(tool["parameters"])
        for name, schema in arguments(published[tool["name"]].input_schema).items():
            lost = {key for key in schema if theirs[name].get(key) != schema[key]}
            dropped |= lost
            if lost >= {"minimum", "maximum"} and name != "seed":
                limits = f"{schema['minimum']} to {schema['maximum']}"
                assert limits in theirs[name]["description"], (tool["name"], name)
    assert dropped == DROPPED[run.name]
