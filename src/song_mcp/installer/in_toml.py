"""TOML: an entry put into a document or taken out, by tomlkit, which keeps all of the rest."""

from collections.abc import Mapping, Sequence
from typing import Any


def put(text: str, path: Sequence[str], name: str, value: Mapping[str, Any]) -> str:
    """Return the text with a table of a name below the path; one that is there is changed."""
    import tomlkit

    document = tomlkit.parse(text)
    table: Any = document
    for key in path:
        if key not in table:
            table[key] = tomlkit.table(is_super_table=True)
        table = table[key]
    if name not in table:
        new = tomlkit.table()
        new.update(value)
        table[name] = new
        return tomlkit.dumps(document)
    there = table[name]
    for key in [each for each in there if each not in value]:
        del there[key]
    for key, each in value.items():
        if key not in there or there[key] != each:
            there[key] = each
    return tomlkit.dumps(document)


def without(text: str, path: Sequence[str], name: str) -> str:
    """Return the text without the table."""
    import tomlkit

    document = tomlkit.parse(text)
    table: Any = document
    for key in path:
        table = table[key]
    del table[name]
    return tomlkit.dumps(document)
