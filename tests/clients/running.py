"""What the frameworks do with a server, each in a program of `drivers`, with its own packages.

A driver is told what to do in a file, and leaves what it saw in another (`drivers/script.py`).
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from tests.children import output_of
from tests.house import environment
from tests.limits import HANGS_S
from tests.voice import beep

Json = dict[str, Any]

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parent.parent / ".venv-clients"
SERVER = (sys.executable, "-W", "error", "-m", "song_mcp")
SONG_S = 6.0
WAIT_S = 4.0
"""A song takes longer than any call waits, also where the client shows that it can wait."""
WISH = {"description": "a jig for two fiddles"}

FRAMEWORKS: Mapping[str, str] = {
    "google": "clients",
    "langchain": "clients-v1",
    "llamaindex": "clients",
    "openai": "clients",
    "pydantic": "clients",
    "smol": "clients-v1",
}
"""The environment of each, whose driver is `drivers/NAME_agent.py`."""


@dataclass(frozen=True)
class Run:
    """What one framework did."""

    name: str
    offered: list[Json]
    """The tools as its model's service gets them: `name`, `description`, `parameters`."""
    calls: list[Json]
    """What its model called: `tool`, `arguments`, and what it `read` of the answer."""
    answer: str
    paid: int
    """Payments at the sandbox."""
    library: Path


async def run(name: str, folder: Path) -> Run:
    """Let the framework's scripted model make a song with a server of its own."""
    told, left = folder / "work.json", folder / "report.json"
    app = build_app(SONG_S, press=beep)
    async with running(app) as base_url:
        own = {"HOME": str(folder), "SONG_MCP_WAIT_SECONDS": str(WAIT_S)}
        variables = environment(folder, base_url) | own
        command, *arguments = SERVER
        work = {"command": command, "args": arguments, "env": variables, "wish": WISH}
        told.write_text(json.dumps(work), encoding="utf-8")
        python = ENVIRONMENTS / FRAMEWORKS[name] / "bin" / "python"
        driver = HERE / "drivers" / f"{name}_agent.py"
        with anyio.fail_after(HANGS_S):
            status, said = await output_of(
                [str(python), str(driver), str(told), str(left)], env=alone(folder)
            )
    assert status == 0, said.decode()
    assert b"Traceback" not in said, said.decode()
    report = json.loads(left.read_text(encoding="utf-8"))
    return Run(name, **report, paid=len(app.state.sandbox.accepted), library=folder / "library")


def alone(folder: Path) -> dict[str, str]:
    """The variables of a program that reaches nothing but this machine."""
    nowhere = "http://127.0.0.1:9"
    return {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "NO_PROXY": "127.0.0.1",
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
    }
