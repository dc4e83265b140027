"""What the start may load: every client pays for it, every time."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache

import pytest

from tests import children
from tests.faults.canaries import GPTGE_KEY, PIAPI_KEY

pytestmark = pytest.mark.xdist_group("start-up")  # what a program loads is found out once

ALLOWED = {"song_mcp", "filelock", "platformdirs", "pydantic_settings"}
"""What a start loads beside the standard library and the SDK with all that it needs itself."""
BY_OTHERS = {"dotenv"}
"""What those load in turn."""

Loaded = Callable[[str], frozenset[str]]

BARE = "from mcp.server.mcpserver import MCPServer; MCPServer('bare').run('stdio')"
OURS = "from song_mcp.cli import main; main([])"
REPORT = "\nimport json, sys; print('\\n' + json.dumps(sorted(sys.modules)), file=sys.__stdout__)"


@pytest.fixture(scope="module")
def loaded_by(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """Returns the modules that a fresh interpreter has loaded once a program is done.

    Its stdin is at its end, so a server starts, opens everything, and ends.
    """
    keys = {"PIAPI_API_KEY": PIAPI_KEY, "GPTGE_API_KEY": GPTGE_KEY}
    home = str(tmp_path_factory.mktemp("home"))

    @cache
    def modules(program: str) -> frozenset[str]:
        ran = children.run(
            [sys.executable, "-c", program + REPORT],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=keys | {"SONG_MCP_HOME": home, "HOME": home},
        )
        return frozenset(json.loads(ran.stdout.splitlines()[-1]))

    return modules


def packages(modules: frozenset[str]) -> set[str]:
    return {module.split(".")[0] for module in modules} - sys.stdlib_module_names


def test_a_start_loads_the_sdk_and_the_packages_named_here_alone(loaded_by: Loaded) -> None:
    assert packages(loaded_by(OURS)) - packages(loaded_by(BARE)) - BY_OTHERS == ALLOWED


def test_a_start_opens_the_whole_studio(loaded_by: Loaded) -> None:
    assert {"song_mcp.studio", "song_mcp.providers.piapi", "sqlite3"} <= loaded_by(OURS)


@pytest.mark.parametrize(
    "package",
    [
        "httpx",
        "httpcore",
        "mutagen",
        "lameenc",
        "tqdm",
        "rich",
        "song_mcp.demo",
        "song_mcp.sandbox",
    ],
)
def test_what_a_start_does_not_need_is_not_loaded(loaded_by: Loaded, package: str) -> None:
    found = [name for name in loaded_by(OURS) if f"{name}.".startswith(f"{package}.")]
    assert found == []


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "httpx2"])
def test_a_start_loads_no_more_of_the_sdks_packages_than_the_sdk(
    loaded_by: Loaded, package: str
) -> None:
    more = loaded_by(OURS) - loaded_by(BARE)
    assert [name for name in more if name.split(".")[0] == package] == []


def test_naming_the_server_package_loads_none_of_its_modules(loaded_by: Loaded) -> None:
    loaded = loaded_by("import song_mcp.server") - loaded_by("pass")
    assert loaded == {"song_mcp", "song_mcp.server"}


def test_a_start_over_stdio_loads_nothing_that_serves_http(loaded_by: Loaded) -> None:
    assert {"song_mcp.server.http", "song_mcp.server.web"} & loaded_by(OURS) == set()


@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["--help"], ["config"], ["sandbox", "--port", "x"]],
    ids=lambda arguments: arguments[0],
)
def test_commands_that_serve_nothing_load_nothing(loaded_by: Loaded, arguments: list[str]) -> None:
    program = f"""
from contextlib import suppress
from song_mcp.cli import main
with suppress(SystemExit):
    main({arguments!r})
"""
    assert packages(loaded_by(program)) - packages(loaded_by("pass")) == {"song_mcp"}
