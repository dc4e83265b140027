"""Clients' files as documents: an entry read, put in or taken out, in each format."""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from song_mcp.installer import jsonc
from song_mcp.installer.clients import Client
from song_mcp.installer.entry import NAME, Entry

BOM = "\ufeff"


def entry_in(client: Client, text: str) -> Entry | None:
    """Return the entry for song-mcp in a client's file, None if there is none.

    Raises ValueError if the text is not what the client reads; its text names no value.
    """
    return client.shape.read(_value(client, _servers(client, _load(client, text))))


def _load(client: Client, text: str) -> Any:  # noqa: ANN401 - whatever stands in a file
    text = text.removeprefix(BOM)
    if not text.strip():
        return {}
    match client.format:
        case "json":
            return jsonc.read(text).value
        case "toml":
            return _of_toml(text)
        case "yaml":
            return _of_yaml(text) or {}


def _of_toml(text: str) -> Any:  # noqa: ANN401 - the same
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(_short(str(error))) from None


def _of_yaml(text: str) -> Any:  # noqa: ANN401 - the same
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{where}this is not YAML") from None
    except YAMLError:
        raise ValueError("this is not YAML") from None


def _short(what: str) -> str:
    """Return where a TOML reader stopped, without what stands there."""
    _, found, where = what.rpartition("(at ")
    return f"{where.rstrip(')')}: this is not TOML" if found else "this is not TOML"


def _servers(client: Client, data: object) -> Any:  # noqa: ANN401 - the same
    """Return the map or list of servers, None if it is not there."""
    for name in client.shape.path:
        if not isinstance(data, Mapping):
            raise ValueError("it is not a map of settings")  # noqa: TRY004 - of the file
        data = data.get(name)
    kind = list if client.shape.is_list else Mapping
    if data is not None and not isinstance(data, kind):
        raise ValueError(f"{'.'.join(client.shape.path)} is not what {client.label} has there")
    return data


def _value(client: Client, servers: Any) -> object:  # noqa: ANN401 - the same
    """Return our entry among the servers as it stands there, None if there is none."""
    if not servers:
        return None
    if client.shape.is_list:
        return next((e for e in servers if isinstance(e, Mapping) and e.get("name") == NAME), None)
    value: object = servers.get(NAME)
    return value


def snippet(client: Client, entry: Entry) -> str:
    """Return an entry alone, as it stands in a file of the client."""
    value: Any = client.shape.written(entry, {})
    value = [value] if client.shape.is_list else {NAME: value}
    for name in reversed(client.shape.path):
        value = {name: value}
    return json.dumps(value, indent=2) + "\n"
