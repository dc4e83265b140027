"""The ways in beside the package itself, made of the same data: `python packaging/ways.py WHAT`.

* `bundle FOLDER`: the folder of an MCP bundle, for `mcpb pack` (manifest version 0.4, type `uv`).
* `server ADDRESS`: `server.json` for the MCP registry, printed; ADDRESS for trying it.
* `publish-check`: what must be settled before anything is published.

`tests/test_packaging.py` holds what is kept in the repository against this: `gemini-extension.json`
and the links in `docs/install.md`. Each format is from its own documentation, as of 2026-11-26:
MANIFEST.md of modelcontextprotocol/mcpb, server.schema.json of 2025-12-11 of the MCP registry,
docs/extensions/reference.md of google-gemini/gemini-cli, "MCP URL handler" in VS Code's developer
guide, and "MCP Install Links" of Cursor.
"""

import base64
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import anyio
from metadata import NAME, registry_name, repository, version

from song_mcp.installed import BUNDLE_START
from song_mcp.installer.entry import wanted
from song_mcp.songs import SERVICES

ROOT = Path(__file__).parent.parent
TITLE = "Song studio"
SUMMARY = (
    "Make songs in the chat, saved as audio files: Suno, Udio, ACE-Step, MiniMax, with your own key"
)
"""The registry takes 100 characters at most."""
REGISTRY_SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
UVX = ("uvx", NAME)
"""How the published package is started."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Variable:
    """A setting that a person is asked for."""

    name: str
    title: str
    says: str
    is_secret: bool = False
    is_folder: bool = False

    @property
    def field(self) -> str:
        """Its name in a form of the client."""
        return self.name.lower()


def variables() -> list[Variable]:
    """Return what is asked for: a key for each service, a server of one's own, and the folders."""
    asked = [
        Variable(name, f"{label} key", f"Your key for {label}. One key is enough.", is_secret=True)
        for name, label in wanted().items()
    ]
    for each in SERVICES.values():
        if not each.needs_key:
            says = (
                f"The address of {each.label} on your own machine, such as http://127.0.0.1:8001."
            )
            asked += [
                Variable(each.base_url_variable, f"{each.label} address", says),
                Variable(
                    each.key_variable,
                    f"{each.label} key",
                    "The key of that server, if it wants one.",
                    is_secret=True,
                ),
            ]
    return [
        *asked,
        Variable(
            "SONG_MCP_LIBRARY",
            "Folder for songs",
            "Where songs are saved. Empty: song-mcp in your music folder.",
            is_folder=True,
        ),
        Variable(
            "SONG_MCP_HOME",
            "Folder for the journal",
            "Where it is kept what was made and paid. Empty: the usual place for such data.",
            is_folder=True,
        ),
    ]


def manifest() -> Json:
    """Return the bundle's manifest."""
    start = ["run", "--no-dev", "--directory", "${__dirname}", BUNDLE_START]
    address = repository(ROOT)
    links = {"repository": {"type": "git", "url": address}} if address else {}
    return {
        "manifest_version": "0.4",
        "name": NAME,
        "display_name": TITLE,
        "version": version(ROOT),
        "description": SUMMARY,
        "author": {"name": _project()["authors"][0]["name"]},
        **links,
        "icon": "icon.png",
        "server": {
            "type": "uv",
            "entry_point": BUNDLE_START,
            "mcp_config": {
                "command": "uv",
                "args": start,
                "env": {each.name: f"${{user_config.{each.field}}}" for each in variables()},
            },
        },
        "tools": _tools(),
        "keywords": _project()["keywords"],
        "license": _project()["license"],
        "compatibility": {
            "platforms": ["darwin", "win32", "linux"],
            "runtimes": {"python": _project()["requires-python"]},
        },
        "user_config": {each.field: _asked(each) for each in variables()},
    }


def _asked(each: Variable) -> Json:
    kind = "directory" if each.is_folder else "string"
    secret = {"sensitive": True} if each.is_secret else {}
    return {
        "type": kind,
        "title": each.title,
        "description": each.says,
        "required": False,
        **secret,
    }


def _tools() -> list[Json]:
    """Return the tools that a model is offered, as a running server lists them."""
    from song_mcp.server.app import build_server

    def closed() -> AbstractAsyncContextManager[Any]:
        raise AssertionError("to list tools opens nothing")

    listed = anyio.run(build_server(closed).list_tools)
    return [
        {"name": tool.name, "description": tool.title or tool.name}
        for tool in listed
        if "model" in ((tool.meta or {}).get("ui") or {}).get("visibility", ["model"])
    ]


def write_bundle(folder: Path) -> None:
    """Write the bundle's folder anew: manifest, code, and the packages with which it was tested."""
    shutil.rmtree(folder, ignore_errors=True)
    source = ROOT / "src" / "song_mcp"
    only_page = shutil.ignore_patterns("__pycache__")

    def skipped(where: str, names: list[str]) -> set[str]:
        if Path(where) == source / "player":
            return set(names) - {"player.html"}
        return only_page(where, names)

    shutil.copytree(source, folder / "src" / "song_mcp", ignore=skipped)
    start = "import sys\n\nfrom song_mcp.cli import main\n\nsys.exit(main())\n"
    _write(folder / BUNDLE_START, start)
    _write(folder / "manifest.json", _json(manifest()))
    _write(folder / "pyproject.toml", bundle_project())
    for file in (ROOT / "LICENSE", ROOT / "packaging" / "icon.png"):
        shutil.copy(file, folder)


def bundle_project() -> str:
    """Return the bundle's pyproject.toml: the pins of requirements/runtime.txt, and no build."""
    pins = "".join(f"    {json.dumps(pin)},\n" for pin in _pins())
    return (
        f'[project]\nname = "{NAME}-bundle"\nversion = "{version(ROOT)}"\n'
        f'requires-python = "{_project()["requires-python"]}"\ndependencies = [\n{pins}]\n\n'
        "[tool.uv]\npackage = false\ncompile-bytecode = true # a start without it takes seconds\n"
    )


def _pins() -> Iterator[str]:
    text = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    for pin in re.findall(r"^([\w.-]+==.*?)(?: *\\)?$", text, re.MULTILINE):
        yield str(pin)


def server(address: str) -> Json:
    """Return `server.json` for the MCP registry."""
    parts = urlsplit(address)
    return {
        "$schema": REGISTRY_SCHEMA,
        "name": registry_name(address),
        "title": TITLE,
        "description": SUMMARY,
        "version": version(ROOT),
        "repository": {"url": address, "source": (parts.hostname or "").partition(".")[0]},
        "packages": [
            {
                "registryType": "pypi",
                "identifier": NAME,
                "version": version(ROOT),
                "runtimeHint": UVX[0],
                "transport": {"type": "stdio"},
                "environmentVariables": [
                    {
                        "name": each.name,
                        "description": each.says,
                        "isRequired": False,
                        "isSecret": each.is_secret,
                        "format": "filepath" if each.is_folder else "string",
                    }
                    for each in variables()
                ],
            }
        ],
    }


def gemini() -> Json:
    """Return Gemini CLI's extension, which runs the code of its own folder."""
    return {
        "name": NAME,
        "version": version(ROOT),
        "description": SUMMARY,
        "mcpServers": {
            NAME: {
                "command": "uv",
                "args": ["run", "--no-dev", "--directory", "${extensionPath}", NAME],
            }
        },
        "settings": [
            {
                "name": each.title,
                "description": each.says,
                "envVar": each.name,
                "sensitive": each.is_secret,
            }
            for each in variables()
        ],
    }


def links() -> str:
    """Return the one-click links for the docs, or why there are none yet."""
    if not repository(ROOT):
        return (
            "VS Code and Cursor can add a server by a link. It starts the published package, so\n"
            "it is here from the first release on.\n"
        )
    return f"[Add to VS Code]({vs_code_link()})\n\n[Add to Cursor]({cursor_link()})\n"


def vs_code_link() -> str:
    """Return the link that adds the server to VS Code, which asks for the keys."""
    secret = [each for each in variables() if each.is_secret]
    added = {
        "name": NAME,
        "command": UVX[0],
        "args": list(UVX[1:]),
        "env": {each.name: f"${{input:{each.field}}}" for each in secret},
        "inputs": [
            {
                "id": each.field,
                "type": "promptString",
                "description": f"{each.title} (may be empty)",
                "password": True,
            }
            for each in secret
        ],
    }
    return f"vscode:mcp/install?{quote(json.dumps(added, separators=(',', ':')), safe='')}"


def cursor_link() -> str:
    """Return the link that adds the server to Cursor, whose entry has empty keys to fill in."""
    env = {each.name: "" for each in variables() if each.is_secret}
    added = {"command": UVX[0], "args": list(UVX[1:]), "env": env}
    config = base64.b64encode(json.dumps(added).encode()).decode()
    install = "cursor://anysphere.cursor-deeplink/mcp/install"
    return f"{install}?name={NAME}&config={quote(config, safe='')}"


def publish_check() -> str:
    """Return what must be settled before anything is published, "" if all is."""
    if not repository(ROOT):
        return (
            "pyproject.toml, [tool.song-mcp]: set `repository` to the address of the repository, "
            "then run UPDATE_SNAPSHOTS=1 pytest tests/test_packaging.py"
        )
    if f"## [{version(ROOT)}]" not in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"):
        return f"CHANGELOG.md has no section for {version(ROOT)}"
    return ""


def _project() -> Json:
    read = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project: Json = read["project"]
    return project


def _json(data: Json) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8", newline="\n")


def main(what: str, *rest: str) -> int:
    """Do what is asked; returns the exit status."""
    does: dict[str, Callable[[], object]] = {
        "bundle": lambda: write_bundle(Path(rest[0])),
        "server": lambda: sys.stdout.write(_json(server(*rest))),
    }
    if what == "publish-check":
        unsettled = publish_check()
        print(unsettled or "Ready to publish.", file=sys.stderr)
        return bool(unsettled)
    does[what]()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
