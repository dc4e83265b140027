"""TOML: an entry put into a document or taken out, by tomlkit, which keeps all of the rest."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

BY_HAND = "it is written in a way that song-mcp does not edit"


def put(text: str, path: Sequence[str], name: str, value: Mapping[str, Any]) -> str:
    """Return the text with a table of a name below the path; one that is there is changed.

    Raises ValueError if tomlkit does not manage that.
    """
    import tomlkit

    def change(document: Any) -> None:  # noqa: ANN401 - tomlkit's own types
        table = document
        for key in path:
            if key not in table:
                table[key] = tomlkit.table(is_super_table=True)
            table = table[key]
        if name not in table:
            table[name] = _table(value)
            return
        there = table[name]
        for key in [each for each in there if each not in value]:
            del there[key]
        for key, each in value.items():
            if key not in there or there[key] != each:
                there[key] = each

    return _changed(text, change)


def without(text: str, path: Sequence[str], name: str) -> str:
    """Return the text without the table; raises ValueError as `put` does."""

    def change(document: Any) -> None:  # noqa: ANN401 - the same
        table = document
        for key in path:
            table = table[key]
        del table[name]

    return _changed(text, change)


def _table(value: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the same
    """Return a new table, with an empty line at its end."""
    import tomlkit

    new = tomlkit.table()
    new.update(value)
    inner: list[Any] = [each for each in new.values() if isinstance(each, dict)]
    (inner[-1] if inner else new).add(tomlkit.nl())
    return new


def _changed(text: str, change: Callable[[Any], None]) -> str:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        change(document)
        end = text[len(text.rstrip("\n")) :] or "\n"
        return tomlkit.dumps(document).rstrip("\n") + end
    except (TOMLKitError, AttributeError, LookupError, TypeError, ValueError):
        # What it raises for what it does not expect is of all kinds, and may say what stands there.
        raise ValueError(BY_HAND) from None
