"""Which install of song-mcp this is, and what to type for exactly this one.

There are many ways to install a Python program, and a command that is right for one of them does
nothing, or harm, for another. So nothing that a person reads names a command of its own choice:
`install()` looks at what installers leave behind, and says.
"""

import json
import os
import re
import shlex
import shutil
import subprocess  # nosec B404 # what it starts stands in this file
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

Kind = Literal["checkout", "uv tool", "uvx", "pipx", "pipx run", "pip", "mcpb", "docker"]

NAME = "song-mcp"
SCRIPTS = {NAME, f"{NAME}.exe"}
SANDBOX = ("lameenc", "tqdm")
"""What the sandbox and the demo need beyond what the server needs."""
IMAGE = "SONGMCP_IMAGE"
"""The variable in which our container image has its own name: no setting, so not `SONG_MCP_...`."""
VOLUMES = {"song-mcp-journal": "/data/journal", "song-mcp-songs": "/data/songs"}
"""The image's volumes, and where they are in it."""
BUNDLE_START = "src/server.py"
"""What a bundle's host starts in the bundle's folder, by uv."""
_UVS_CACHE = re.compile(r"(archive|builds|environments)-v\d+")


@dataclass(frozen=True)
class Install:
    """One way in which song-mcp was installed."""

    kind: Kind
    command: tuple[str, ...]
    """What starts this server from any folder, and still does after an upgrade."""
    upgrade: str
    """What to type, or to do, for a newer version."""
    add_sandbox: str
    """What to type, or to do, if a package of `SANDBOX` is missing."""


@dataclass(frozen=True)
class Surroundings:
    """What `install` looks at; the defaults are this process."""

    package: Path = Path(__file__).parent
    """The folder of the package song_mcp."""
    prefix: Path = field(default_factory=lambda: Path(sys.prefix))
    python: str = field(default_factory=lambda: sys.executable)
    paths: Sequence[str] = field(default_factory=lambda: tuple(sys.path))
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @property
    def root(self) -> Path | None:
        """The project's folder, if the code runs from there: a checkout, or a bundle."""
        root = self.package.parent.parent
        return root if (root / "pyproject.toml").is_file() else None

    @property
    def metadata(self) -> Distribution | None:
        """What the installer recorded."""
        found = distributions(name=NAME, path=[str(self.package.parent), *self.paths])
        return next(iter(found), None)

    @property
    def venv_command(self) -> tuple[str, ...]:
        """The program that the installer made, by its path; else the interpreter with `-m`."""
        if metadata := self.metadata:
            for file in metadata.files or []:
                path = os.path.normpath(str(metadata.locate_file(file)))
                if file.name in SCRIPTS and Path(path).is_file():
                    return (path,)
        return (self.python, "-m", "song_mcp")

    @property
    def source(self) -> str | None:
        """Where it was installed from, as pip and uv take it; None for the package index."""
        recorded = self.metadata.read_text("direct_url.json") if self.metadata else None
        if not recorded:
            return None
        details = json.loads(recorded)
        url = details["url"]
        if "vcs_info" in details:
            return f"{NAME} @ {details['vcs_info']['vcs']}+{url}"
        if urlsplit(url).scheme == "file":
            return url2pathname(urlsplit(url).path)
        return f"{NAME} @ {url}"

    def program(self, name: str) -> str:
        """Return the path of a program, as a client may have another PATH; else its name."""
        return shutil.which(name, path=self.environ.get("PATH")) or name


def install(where: Surroundings | None = None) -> Install:
    """Return which install this is."""
    where = where or Surroundings()
    if image := where.environ.get(IMAGE):
        return _docker(image)
    if root := where.root:
        return _mcpb(root, where) if (root / "manifest.json").is_file() else _checkout(root, where)
    if (where.prefix / "uv-receipt.toml").is_file():
        return _uv_tool(where)
    if any(_is_uvs_cache(path) for path in (where.prefix, where.package)):
        return _uvx(where)
    if (where.prefix / "pipx_metadata.json").is_file():
        return _pipx(where) if where.prefix.parent.name == "venvs" else _pipx_run(where)
    return _pip(where)


def typed(command: Sequence[str]) -> str:
    """Return a command as a person types it, with the quotes that this system wants."""
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)


def _docker(image: str) -> Install:
    from song_mcp.songs import SERVICES

    volumes = [f"--volume={name}:{path}" for name, path in VOLUMES.items()]
    keys = [f"--env={each.key_variable}" for each in SERVICES.values() if each.needs_key]
    new = "pull the newer image, or build it again"
    return Install(
        "docker", ("docker", "run", "--interactive", "--rm", *volumes, *keys, image), new, new
    )


def _mcpb(root: Path, where: Surroundings) -> Install:
    uv = where.environ.get("UV") or where.program("uv")  # it says so to what it starts
    command = (uv, "run", "--directory", str(root), BUNDLE_START)
    new = "install the newer song-mcp.mcpb in your client: open the file with it"
    return Install("mcpb", command, new, new)


def _checkout(root: Path, where: Surroundings) -> Install:
    pull = typed(["git", "-C", str(root), "pull"])
    if (where.prefix / ".pins").is_file():  # made by the Makefile, which installs all of it
        renew = add = typed(["make", "-C", str(root), "setup"])
    else:
        renew = typed(_pip_install(where, "--editable", str(root)))
        add = typed(_pip_install(where, *SANDBOX))
    return Install("checkout", where.venv_command, f"{pull} && {renew}", add)


def _uv_tool(where: Surroundings) -> Install:
    receipt = tomllib.loads((where.prefix / "uv-receipt.toml").read_text(encoding="utf-8"))
    placed = {each["name"]: each["install-path"] for each in receipt["tool"].get("entrypoints", [])}
    command = next(((placed[name],) for name in SCRIPTS if name in placed), where.venv_command)
    again = ["uv", "tool", "install", "--compile-bytecode"]
    if where.source:
        upgrade = [*again, "--reinstall", where.source]
    else:
        upgrade = ["uv", "tool", "upgrade", NAME]
    return Install(
        "uv tool",
        command,
        typed(upgrade),
        typed([*again, *(f"--with={each}" for each in SANDBOX), where.source or NAME]),
    )


def _uvx(where: Surroundings) -> Install:
    uvx = where.program("uvx")
    which = ["--from", where.source, NAME] if where.source else [NAME]
    added = [f"--with={each}" for each in SANDBOX]
    return Install(
        "uvx",
        (uvx, *which),
        typed(["uvx", "--refresh", *which, "--version"]),
        typed(["uvx", *added, *which, "demo"]),
    )


def _pipx(where: Surroundings) -> Install:
    name = where.prefix.name  # has the suffix, if one was asked for
    force = ["install", "--force", where.source] if where.source else ["upgrade", name]
    return Install(
        "pipx",
        where.venv_command,
        typed(["pipx", *force]),
        typed(["pipx", "inject", name, *SANDBOX]),
    )


def _pipx_run(where: Surroundings) -> Install:
    which = ["--spec", where.source, NAME] if where.source else [NAME]
    keep = ["pipx", "install", where.source or NAME]
    return Install(
        "pipx run",
        (where.program("pipx"), "run", *which),
        typed(["pipx", "run", "--no-cache", *which, "--version"]),
        f"{typed(keep)} && {typed(['pipx', 'inject', NAME, *SANDBOX])}",
    )


def _pip(where: Surroundings) -> Install:
    return Install(
        "pip",
        where.venv_command,
        typed(_pip_install(where, "--upgrade", where.source or NAME)),
        typed(_pip_install(where, *SANDBOX)),
    )


def _pip_install(where: Surroundings, *what: str) -> list[str]:
    """Return the command by the installer that made this environment: uv's have no pip."""
    metadata = where.metadata
    if metadata and (metadata.read_text("INSTALLER") or "").strip() == "uv":
        return ["uv", "pip", "install", "--python", where.python, *what]
    return [where.python, "-m", "pip", "install", *what]


def _is_uvs_cache(path: Path) -> bool:
    """Whether the path is in a cache of uv, whose folders come and go."""
    return any(
        _UVS_CACHE.fullmatch(each.name) and (each.parent / "CACHEDIR.TAG").is_file()
        for each in path.parents
    )
