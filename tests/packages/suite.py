"""Every way in, from an empty home: install, then the demo. Run by `make packages`.

PYTHONS names the interpreters, by version or path, separated by spaces; without it, the one that
runs this. Packages come from wherever uv, pip and npm are set up to take them from.
"""

import json
import os
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
import ways
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from song_mcp import __version__
from tests import children
from tests.faults.scale import report
from tests.limits import HANGS_S

ROOT = Path(__file__).parents[2]
HERE = Path(sys.executable).parent
TOOLS = ROOT / ".venv-packages" / "bin"
MCPB = ["node", str(ROOT / "tests/packages/node_modules/@anthropic-ai/mcpb/dist/cli/cli.js")]
PYTHONS = os.environ.get("PYTHONS", "").split() or [
    getattr(sys, "_base_executable", sys.executable)
]
OF_A_USER = re.compile(r"(PYTHON|VIRTUAL_ENV|XDG_|SONG|PIAPI|GPTGE|MINIMAX|ACESTEP|PYTEST|UV_)")
"""What of our own environment a new user does not have."""
ADDRESS = "https://github.com/you/song-mcp"

pytestmark = pytest.mark.limit(600)  # packages are fetched


class Home:
    """An empty home, and what is typed there."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not OF_A_USER.match(name)}
        path = f"{folder / '.local' / 'bin'}{os.pathsep}{HERE}{os.pathsep}{kept['PATH']}"
        self.variables = {**kept, "HOME": str(folder), "PATH": path, "UV_CACHE_DIR": str(cache)}

    def typed(self, *command: str | Path, **more: str) -> str:
        """Run a command that must succeed; returns what it printed."""
        ran = children.run(
            [str(each) for each in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env={**self.variables, **more},
            check=False,
        )
        assert ran.returncode == 0, ran.stdout
        return str(ran.stdout)

    def shows_the_demo(self, way: str, *song_mcp: str | Path) -> None:
        """Hold what an install must do: tell its version, and make songs that are saved."""
        assert self.typed(*song_mcp, "--version").endswith(f"song-mcp {__version__}\n")
        began = time.monotonic()
        said = self.typed(*song_mcp, "demo", "--folder", "songs", "--song-seconds", "0.2")
        saved = {file.suffix for file in (self.folder / "songs").rglob("*.*") if file.is_file()}
        assert ".mp3" in saved, said
        report(f"{way}: the demo ended well after {time.monotonic() - began:.1f} s")

    def told(self, *song_mcp: str | Path) -> list[str]:
        """Return the command that this install tells clients."""
        entry = json.loads(self.typed(*song_mcp, "config"))["mcpServers"]["song-mcp"]
        return [entry["command"], *entry["args"]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of uv for one run, so that nothing is there before it."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def home(tmp_path: Path, cache: Path) -> Home:
    return Home(tmp_path, cache)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel that is built from it alone."""
    folder = tmp_path_factory.mktemp("built")
    build = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    children.run([*build, "--target", "sdist"], cwd=ROOT, stdout=subprocess.DEVNULL)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as packed:
        packed.extractall(folder, filter="data")
    source = folder / sdist.name.removesuffix(".tar.gz")
    children.run([*build, "--target", "wheel"], cwd=source, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


@pytest.fixture
def wheel(built: tuple[Path, Path]) -> Path:
    return built[1]


def interpreter(home: Home, python: str) -> Path:
    return Path(home.typed("uv", "python", "find", "--no-project", python).strip())


@pytest.mark.parametrize("python", PYTHONS)
def test_it_is_a_tool_of_uv(home: Home, wheel: Path, python: str) -> None:
    home.typed("uv", "tool", "install", "--compile-bytecode", "--python", python, wheel)
    home.shows_the_demo(f"uv tool, {python}", "song-mcp")
    assert home.told("song-mcp") == [str(home.folder / ".local" / "bin" / "song-mcp")]
    assert list(home.folder.rglob("song_mcp/__pycache__/*.pyc"))


@pytest.mark.parametrize("python", PYTHONS)
def test_uvx_runs_it_and_tells_no_path_in_its_cache(
    home: Home, wheel: Path, cache: Path, python: str
) -> None:
    uvx = ("uvx", "--python", python, "--from", str(wheel), "song-mcp")
    home.shows_the_demo(f"uvx, {python}", *uvx)
    assert str(cache) not in " ".join(home.told(*uvx))


@pytest.mark.parametrize("python", PYTHONS)
def test_it_is_a_tool_of_pipx(home: Home, wheel: Path, python: str) -> None:
    home.typed(TOOLS / "pipx", "install", "--python", interpreter(home, python), wheel)
    home.shows_the_demo(f"pipx, {python}", "song-mcp")


@pytest.mark.parametrize("python", PYTHONS)
def test_pip_installs_it(home: Home, wheel: Path, python: str) -> None:
    home.typed("uv", "venv", "--quiet", "--seed", "--python", python, "venv")  # with pip
    there = home.folder / "venv" / "bin"
    home.typed(there / "python", "-m", "pip", "install", "--quiet", wheel)
    home.shows_the_demo(f"pip, newest dependencies, {python}", there / "song-mcp")
    assert home.told(there / "song-mcp") == [str(there / "song-mcp")]


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lowest_dependencies_that_are_allowed_do(home: Home, wheel: Path, python: str) -> None:
    home.typed("uv", "venv", "--quiet", "--python", python, "venv")
    venv = home.folder / "venv"
    lowest = ("--resolution", "lowest-direct", "--only-binary", ":all:")
    home.typed("uv", "pip", "install", "--python", venv, *lowest, wheel)
    home.shows_the_demo(f"lowest dependencies, {python}", venv / "bin" / "song-mcp")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, packed by the official tool once it found nothing wrong."""
    folder = tmp_path_factory.mktemp("bundle")
    ways.write_bundle(folder / "made")
    children.run([*MCPB, "validate", str(folder / "made" / "manifest.json")])
    children.run([*MCPB, "pack", str(folder / "made"), str(folder / "song-mcp.mcpb")])
    report(f"the bundle has {(folder / 'song-mcp.mcpb').stat().st_size} bytes")
    return folder / "song-mcp.mcpb"


@pytest.mark.parametrize("python", PYTHONS)
async def test_the_bundle_starts_in_an_empty_home(home: Home, bundle: Path, python: str) -> None:
    """As a client does, which knows nothing of it but the manifest; the first start installs."""
    unpacked = home.folder / "unpacked"
    home.typed(*MCPB, "unpack", bundle, unpacked)
    manifest = json.loads((unpacked / "manifest.json").read_text(encoding="utf-8"))
    config = substituted(manifest["server"]["mcp_config"], {"__dirname": str(unpacked)})
    variables = home.variables | config["env"] | {"UV_PYTHON": python}
    server = StdioServerParameters(command=config["command"], args=config["args"], env=variables)
    with anyio.fail_after(10 * HANGS_S):
        async with Client(stdio_client(server)) as client:
            listed = {tool.name for tool in (await client.list_tools()).tools}
            account = await client.call_tool("check_account", {})
    assert {tool["name"] for tool in manifest["tools"]} == listed - {"read_clip"}
    assert not account.is_error


def substituted(config: Any, values: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
    """Return it as a client hands it on if the person left every field empty."""
    text = json.dumps(config)
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", json.dumps(value)[1:-1])
    return json.loads(text)


def judged(command: Sequence[str | Path], **options: Any) -> str:  # noqa: ANN401 - as of `run`
    ran = children.run(
        [str(each) for each in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,
    )
    assert ran.returncode == 0, ran.stdout
    return str(ran.stdout)


def test_the_index_takes_wheel_and_sdist(built: tuple[Path, Path]) -> None:
    judged([TOOLS / "twine", "check", "--strict", *built])
    sizes = ", ".join(f"{file.suffix} {file.stat().st_size} bytes" for file in built)
    report(f"wheel and sdist: {sizes}")


def test_the_registry_takes_its_entry(tmp_path: Path) -> None:
    """By the official schema of the registry, as skillsaw has it, and by skillsaw's own rules."""
    entry = ways.server(ADDRESS)
    (tmp_path / "server.json").write_text(json.dumps(entry), encoding="utf-8")
    judged([TOOLS / "skillsaw", "lint", "--strict", tmp_path])
    del entry["name"]
    (tmp_path / "server.json").write_text(json.dumps(entry), encoding="utf-8")
    with pytest.raises(AssertionError, match="name"):  # so it has looked
        judged([TOOLS / "skillsaw", "lint", "--strict", tmp_path])


def test_the_containers_file_is_sound() -> None:
    judged([TOOLS / "hadolint", ROOT / "packaging" / "Dockerfile"])
