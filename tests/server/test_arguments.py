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

ROWS: list[list[str]] = tomllib.loads(
    Path(__file__).with_name("sloppy.toml").read_text(encoding="utf-8")
)["rows"]

LONGEST_REFUSAL = 40 * 4
"""Some forty tokens."""


def test_there_are_rows_enough_and_no_two_are_alike() -> None:
    assert len(ROWS) >= 120
    assert len({(tool, given) for tool, given, _ in ROWS}) == len(ROWS)


def read(name: str, given: str) -> dict[str, Any]:
    """Read arguments as a call does; raises InvalidRequestError in the server's words."""
    [entry] = [each for each in TOOLS if each.function.__name__ == name]
    tool = Tool.from_function(entry.function)
    known = checked_arguments(flat_schema(tool.parameters)["properties"], json.loads(given))
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
