"""Running what `make conformance` installed, on the Node that came with it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio

Json = dict[str, Any]

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
SUITE = MODULES / "@modelcontextprotocol" / "conformance"
INSPECTOR = MODULES / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build"
REVISIONS = ("2025-11-25", "2026-07-28")
COUNTS = re.compile(r"^([✓✗]) ([\w-]+): (\d+ passed, \d+ failed)$", re.MULTILINE)


def node() -> str:
    """The pinned Node, or on a system that has no package of it the one on the path."""
    pinned = [*MODULES.glob("node-*/bin/node")]
    found = str(pinned[0]) if pinned else shutil.which("node")
    assert found, "needs Node 22.19 or newer"
    return found


async def run(
    arguments: Sequence[str], folder: Path, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a Node program to its end in `folder`, with no settings but these."""
    environment = {"HOME": str(folder), "PATH": os.defpath, "NO_COLOR": "1", **(variables or {})}
    with anyio.fail_after(240):
        ran = await anyio.run_process(
            [node(), *arguments],
            cwd=folder,
            env=environment,
            check=False,
            stderr=subprocess.STDOUT,
        )
    return subprocess.CompletedProcess(ran.args, ran.returncode, ran.stdout.decode())


async def judged(url: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Have the suite judge a server."""
    program = str(SUITE / "dist" / "index.js")
    return await run([program, "server", "--url", url, "-o", str(folder), *options], folder)


def counts(said: str) -> dict[str, tuple[bool, str]]:
    """Of each scenario in the suite's summary, whether it passed, and its counts of checks."""
    return {name: (mark == "✓", figures) for mark, name, figures in COUNTS.findall(said)}


def expected_failures(revision: str) -> Iterator[str]:
    """The scenarios that are on the list of expected failures."""
    text = (HERE / f"expected-failures-{revision}.yml").read_text(encoding="utf-8")
    yield from re.findall(r"^  - ([\w-]+)$", text, re.MULTILINE)


async def inspected(
    config: Path, era: str, method: str, *options: str
) -> tuple[subprocess.CompletedProcess[str], Json]:
    """Have the Inspector ask the server of the configuration; gives its answer too."""
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
