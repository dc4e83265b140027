"""JSON with comments: read as editors read it, edited in one place."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from song_mcp.installer import jsonc

TEXTS = some.text(some.sampled_from('a"\\/*{}[],: \u00e9\n'), max_size=6)
VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | TEXTS,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
SPACES = some.sampled_from(["", " ", "\n\t", " // } it's\n", "/* [, */", "\r\n"])
ENTRY = {"command": "/x", "args": []}


def shown(value: object, draw: Callable[..., Any]) -> str:
    """A value as a person may write it, with blanks and comments anywhere."""

    def space() -> str:
        return str(draw(SPACES))

    if isinstance(value, dict):
        members = [f"{space()}{json.dumps(k)}{space()}:{shown(v, draw)}" for k, v in value.items()]
    elif isinstance(value, list):
        members = [shown(each, draw) for each in value]
    else:
        return f"{space()}{json.dumps(value)}{space()}"
    ends = "," if members and draw(some.booleans()) else ""
    before, after = "{}" if isinstance(value, dict) else "[]"
    return f"{space()}{before}{','.join(members)}{ends}{space()}{after}{space()}"


@some.composite
def documents(draw: some.DrawFn) -> tuple[dict[str, Any], str]:
    data = draw(some.dictionaries(TEXTS, VALUES, max_size=3))
    if draw(some.booleans()):
        data["servers"] = draw(some.dictionaries(TEXTS, VALUES, max_size=3))
    else:
        data.pop("servers", None)
    return data, shown(data, draw)


@given(documents())
def test_an_edit_changes_one_value_and_is_taken_back_whole(
    document: tuple[dict[str, Any], str],
) -> None:
    data, text = document
    assert jsonc.read(text).value == data
    edited = jsonc.put(text, ("servers", "song-mcp"), ENTRY)
    servers = data.get("servers", {})
    assert jsonc.read(edited).value == data | {"servers": servers | {"song-mcp": ENTRY}}
    again = jsonc.put(edited, ("servers", "song-mcp"), {"command": "/y"})
    assert jsonc.read(again).value["servers"]["song-mcp"] == {"command": "/y"}
    back = jsonc.without(again, ("servers", "song-mcp"))
    assert jsonc.read(back).value == data | {"servers": servers}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("{", 1),
        ('{\n"a" 1}', 2),
        ('{"a": 1\n"b": 2}', 2),
        ("{\n,}", 2),
        ('{"a": [1 2]}', 1),
        ('{"a": tru}', 1),
        ("{}\n{}", 2),
        ("{'a': 1}", 1),
        ('{"a": "b\n"}', 1),
        ("[" * 300, 1),
        ("{ /* never ends", 1),
    ],
)
def test_what_is_none_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ValueError, match=rf"^line {line}: "):
        jsonc.read(text)


def test_a_document_on_one_line_stays_on_one_line() -> None:
    text = '{"a":1,"servers":{"x":{}}}'
    edited = jsonc.put(text, ("servers", "song-mcp"), ENTRY)
    assert edited == '{"a":1,"servers":{"x":{}, "song-mcp": {"command": "/x", "args": []}}}'
    assert jsonc.without(edited, ("servers", "song-mcp")) == text


def test_of_two_members_of_one_name_the_last_counts_as_readers_have_it() -> None:
    text = '{\n  "servers": {},\n  "servers": {"x": {}}\n}\n'
    edited = jsonc.put(text, ("servers", "song-mcp"), ENTRY)
    assert edited.startswith('{\n  "servers": {},\n')
    assert json.loads(edited)["servers"] == {"x": {}, "song-mcp": ENTRY}
