"""Clients' files as documents: our entry read, put in or taken out, in each format.

Whatever an edit does, it is read again, and must have changed our entry and nothing else.
"""

import tomllib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from song_mcp.installer import jsonc
from song_mcp.installer.clients import Client, Shape
from song_mcp.installer.entry import NAME, Entry

BOM = "\ufeff"
BY_HAND = "it is written in a way that song-mcp does not edit"


@dataclass(frozen=True)
class Document:
    """The text of a client's file.

    All that reads it raises ValueError, without any value, if it is not what the client reads.
    """

    client: Client
    text: str

    @property
    def entry(self) -> Entry | None:
        """Our entry, None if there is none."""
        return self.shape.read(self._ours)

    @property
    def name(self) -> str:
        """Under which name our entry stands, or would stand."""
        return self._place or NAME

    @property
    def value(self) -> Mapping[str, Any]:
        """Our entry as it stands there, empty if there is none."""
        return self._ours if isinstance(self._ours, Mapping) else {}

    @cached_property
    def shape(self) -> Shape:
        """The shape of entries in this very file: versions of a client may differ."""
        for shape in self.client.newer:
            servers = _at(self._data, shape.path)
            if isinstance(servers, Mapping) and "type" not in servers:  # or it is a server itself
                return shape
        return self.client.shape

    def with_entry(self, entry: Entry) -> str:
        """Return the text with this entry for song-mcp, and the rest as it was."""
        before = self.value
        value = self.shape.written(entry, before)
        if value == before:
            return self.text
        data = deepcopy(self._data)
        inner = data
        for key in self.shape.path[:-1]:
            inner = inner.setdefault(key, {})
        servers: Any = inner.get(self.shape.path[-1]) or ([] if self.shape.is_list else {})
        inner[self.shape.path[-1]] = servers
        if not self.shape.is_list:
            servers[self.name] = value
        elif before:
            servers[servers.index(before)] = value
        else:
            servers.append(value)
        return self._checked(self._put(value), data)

    def without_entry(self) -> str:
        """Return the text without our entry, and the rest as it was."""
        if self._ours is None:
            return self.text
        data = deepcopy(self._data)
        servers = _at(data, self.shape.path)
        if self.shape.is_list:
            servers.remove(self._ours)
        else:
            del servers[self.name]
        return self._checked(self._removed(), data)

    def _put(self, value: Mapping[str, Any]) -> str:
        path, name, text = self.shape.path, self.name, self._plain or self.client.blank
        match self.client.format:
            case "json":
                return jsonc.put(text if text.strip() else "{}\n", (*path, name), value)
            case "toml":
                from song_mcp.installer import in_toml

                return in_toml.put(text, path, name, value)
            case "yaml":
                from song_mcp.installer import in_yaml

                return in_yaml.put(text, path[0], name, value, is_list=self.shape.is_list)

    def _removed(self) -> str:
        path, name = self.shape.path, self.name
        match self.client.format:
            case "json":
                return jsonc.without(self._plain, (*path, name))
            case "toml":
                from song_mcp.installer import in_toml

                return in_toml.without(self._plain, path, name)
            case "yaml":
                from song_mcp.installer import in_yaml

                return in_yaml.without(self._plain, path[0], name, is_list=self.shape.is_list)

    def _checked(self, text: str, data: object) -> str:
        """Return an edited text with the mark and line ends of the original."""
        again = _loaded(self.client, text)
        if not self._plain.strip():
            again = {key: each for key, each in again.items() if key in data}  # type: ignore[operator]  # a map
        path = self.shape.path
        if _without_nothing(again, path) != _without_nothing(data, path):
            raise ValueError(BY_HAND)
        if self._has_windows_lines:
            text = text.replace("\n", "\r\n")
        return BOM + text if self.text.startswith(BOM) else text

    @cached_property
    def _plain(self) -> str:
        """The text without a mark, and with one kind of line ends if all are of the other kind."""
        text = self.text.removeprefix(BOM)
        return text.replace("\r\n", "\n") if self._has_windows_lines else text

    @cached_property
    def _has_windows_lines(self) -> bool:
        return "\r\n" in self.text and self.text.count("\n") == self.text.count("\r\n")

    @cached_property
    def _data(self) -> Any:  # noqa: ANN401 - whatever stands in a file
        data = _loaded(self.client, self._plain)
        if not isinstance(data, dict):
            raise ValueError("it is not a map of settings")  # noqa: TRY004 - of the file
        return data

    @cached_property
    def _servers(self) -> Any:  # noqa: ANN401 - the same
        path = self.shape.path
        servers = _at(self._data, path)
        kind = list if self.shape.is_list else Mapping
        if servers is not None and not isinstance(servers, kind):
            label = self.client.label
            raise ValueError(f"what stands under {'.'.join(path)} is not what {label} has there")
        return servers or ([] if self.shape.is_list else {})

    @cached_property
    def _place(self) -> str:
        """The name of the entry that is ours, "" if there is none: by its name or its command."""
        named = (
            [(each.get("name"), each) for each in self._servers if isinstance(each, Mapping)]
            if self.shape.is_list
            else list(self._servers.items())
        )
        if any(name == NAME for name, _ in named):
            return NAME
        read = ((name, self.shape.read(each)) for name, each in named)
        return next((str(name) for name, entry in read if entry and entry.starts_us), "")

    @property
    def _ours(self) -> Any:  # noqa: ANN401 - the same
        """Our entry as it stands there, None if there is none."""
        if not self._place:
            return None
        if self.shape.is_list:
            entries = (each for each in self._servers if isinstance(each, Mapping))
            return next(each for each in entries if each.get("name") == self._place)
        return self._servers[self._place]


def snippet(client: Client, entry: Entry) -> str:
    """Return an entry alone, as it stands in a file of the client."""
    return Document(client, "").with_entry(entry)


def _at(data: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - whatever stands in a file
    for key in path:
        if data is not None and not isinstance(data, Mapping):
            return data
        data = data.get(key) if data else None
    return data


def _without_nothing(data: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - the same
    """Return data without an empty map or list at a path: TOML has no word for that."""
    if not isinstance(data, dict) or path[0] not in data:
        return data
    inner = data[path[0]]
    if len(path) > 1:
        inner = _without_nothing(inner, path[1:])
    return {key: each for key, each in (data | {path[0]: inner}).items() if each or key != path[0]}


def _loaded(client: Client, text: str) -> Any:  # noqa: ANN401 - the same
    if not text.strip():
        return {}
    match client.format:
        case "json":
            return jsonc.read(text).value
        case "toml":
            return _of_toml(text)
        case "yaml":
            return _of_yaml(text)


def _of_toml(text: str) -> Any:  # noqa: ANN401 - the same
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        _, _, where = str(error).rpartition("(at ")  # what is before names what stands there
        raise ValueError(f"{where.rstrip(')')}: this is not TOML") from None


def _of_yaml(text: str) -> Any:  # noqa: ANN401 - the same
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        data = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{where}this is not YAML") from None
    except YAMLError:
        raise ValueError("this is not YAML") from None
    return {} if data is None else data
