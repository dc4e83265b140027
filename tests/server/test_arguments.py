"""Sloppy calls: each row of `sloppy.toml` is taken as it is meant, or refused in one sentence."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from mcp.server.mcpserver.tools import Tool
from pydantic import ValidationError

from song_mcp.errors import InvalidRequestError
from song_mcp.server.adapt import flat_schema, validation_text
from song_mcp.server.arguments import checked_arguments
from song_mcp.server.tools import TOOLS
from song_mcp.songs import Ability
from song_mcp.studio import Studio

TABLES: dict[str, list[list[str]]] = tomllib.loads(
    Path(__file__).with_name("sloppy.toml").read_text(encoding="utf-8")
)
ROWS, MODELS = TABLES["rows"], TABLES["models"]

pytestmark = pytest.mark.no_client
LONGEST_REFUSAL = 40 * 4
"""Some forty tokens."""


def test_there_are_rows_enough_and_no_two_are_alike() -> None:
    assert len(ROWS) >= 120
    assert len({(tool, given) for tool, given, _ in ROWS}) == len(ROWS)
    assert len({tuple(row[:3]) for row in MODELS}) == len(MODELS)


def read(name: str, given: str) -> dict[str, Any]:
    """Read arguments as a call does; raises InvalidRequestError in the server's words."""
    [entry] = [each for each in TOOLS if each.function.__name__ == name]
    tool = Tool.from_function(entry.function)
    known = checked_arguments(flat_schema(tool.parameters)["properties"], json.loads(given), name)
    try:
        made = tool.fn_metadata.arg_model.model_validate(known)
    except ValidationError as error:
        raise InvalidRequestError(validation_text(error)) from error
    return {each: value for each, value in dict(made).items() if each in known}


@pytest.mark.parametrize(
    ("tool", "given", "becomes"), [row for row in ROWS if not row[2].startswith("!")]
)
def test_what_is_clear_is_taken(tool: str, given: str, becomes: str) -> None:
    assert read(tool, given) == json.loads(becomes)


@pytest.mark.parametrize(
    ("tool", "given", "becomes"), [row for row in ROWS if row[2].startswith("!")]
)
def test_what_is_not_clear_is_refused_and_the_right_name_told(
    tool: str, given: str, becomes: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        read(tool, given)
    assert becomes[1:] in str(refused.value)
    assert str(refused.value).endswith("Nothing was sent or paid.")
    assert len(str(refused.value)) <= LONGEST_REFUSAL


def studio_of(services: str) -> Studio:
    """A studio that has a key for each of these services, and chooses models; nothing else."""
    studio = Studio.__new__(Studio)
    vars(studio).update(_providers=dict.fromkeys(services.split()), _default_model=None)
    return studio


@pytest.mark.parametrize(
    ("services", "word", "ability", "becomes"),
    [row for row in MODELS if not row[3].startswith("!")],
)
def test_a_model_is_known_by_any_name(
    services: str, word: str, ability: Ability, becomes: str
) -> None:
    assert studio_of(services).model(word, ability).name == becomes


@pytest.mark.parametrize(
    ("services", "word", "ability", "becomes"), [row for row in MODELS if row[3].startswith("!")]
)
def test_a_name_that_is_no_model_or_two_is_refused_with_what_there_is(
    services: str, word: str, ability: Ability, becomes: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        studio_of(services).model(word, ability)
    assert becomes[1:] in str(refused.value)
    assert str(refused.value).endswith("paid.")
    assert len(str(refused.value)) <= LONGEST_REFUSAL
