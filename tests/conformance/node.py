"""Running what `make conformance` installed, on the Node that came with it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.children import output_of

Json = dict[str, Any]

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
SUITE = MODULES / "@modelcontextprotocol" / "conformance"
INSPECTOR = MODULES / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build"
REVISIONS = ("2025-11-25", "2026-07-28")
LIMIT_S = 600.0
"""How long, in seconds, a run of the whole suite may take."""
BAD = ("FAILURE", "WARNING")

Checks = dict[str, dict[str, str]]


def node() -> str:
    """The pinned Node, or the one on the path if the system has no package of it."""
    pinned = [*MODULES.glob("node-*/bin/node")]
    found = str(pinned[0]) if pinned else shutil.which("node")
    assert found, "needs Node 22.19 or newer"
    return found


async def run(
    arguments: Sequence[str], folder: Path, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a Node program to its end in `folder`, with these settings alone."""
    environment = {"HOME": str(folder), "PATH": os.defpath, "NO_COLOR": "1", **(variables or {})}
    command = [node(), *arguments]
    status, said = await output_of(command, cwd=folder, env=environment)
    return subprocess.CompletedProcess(command, status, said.decode())


async def judged(url: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Let the suite check a server."""
    program = str(SUITE / "dist" / "index.js")
    return await run([program, "server", "--url", url, "-o", str(folder), *options], folder)


def checked(folder: Path) -> Checks:
    """The status of each check, by its id, of each scenario that the suite ran."""
    found: Checks = {}
    for file in sorted(folder.glob("server-*/checks.json")):
        for check in json.loads(file.read_text(encoding="utf-8")):
            verdicts = found.setdefault(_scenario(file.parent.name), {})
            if verdicts.get(check["id"]) not in BAD:
                verdicts[check["id"]] = check["status"]
    return found


def _scenario(folder: str) -> str:
    """The scenario in a name like `server-<scenario>-2026-11-25T19-39-29-287Z`."""
    return re.sub(r"^server-|-\d{4}-\d\d-\d\dT[\d-]+Z$", "", folder)


def failed(checks: Mapping[str, str]) -> list[str]:
    """The ids of a scenario's checks that failed."""
    return [name for name, status in checks.items() if status in BAD]


def listed(file: Path) -> set[str]:
    """The scenarios, and `scenario:check`s, on a list of expected failures."""
    return set(re.findall(r"^  - ([\w:-]+)$", file.read_text(encoding="utf-8"), re.MULTILINE))


def differences(found: Checks, expected: set[str]) -> list[str]:
    """The differences between what failed and what was expected to fail, in words."""
    seen: set[str] = set()
    for scenario, checks in found.items():
        each = {f"{scenario}:{check}" for check in failed(checks)}
        seen |= {scenario} if each and scenario in expected else each
    return [
        *(f"failed: {name}" for name in sorted(seen - expected)),
        *(f"expected to fail, and passed: {name}" for name in sorted(expected - seen)),
    ]


async def inspected(
    config: Path, era: str, method: str, *options: str
) -> tuple[subprocess.CompletedProcess[str], Json]:
    """Let the Inspector ask the server of the configuration; returns its answer."""
    command = [
        str(INSPECTOR / "index.js"),
        "--cli",
        "--config",
        str(config),
        "--server",
        "song-mcp",
    ]
    asked = ["--protocol-era", era, "--method", method, "--format", "json", *options]
    ran = await run([*command, *asked], config.parent, {"MCP_INSPECTOR_SECRET_STORE": "memory"})
    try:
        return ran, dict(json.loads(ran.stdout)["result"])
    except ValueError:
        return ran, {}
