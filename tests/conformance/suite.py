"""The official conformance suite against the server's own HTTP transport.

First the server as it is, a `song-mcp serve` with the sandbox behind it, in every scenario that
asks for nothing but a server; then the same server object with the suite's fixtures added, in
every scenario that a revision requires. Run by `make conformance`.
"""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from mcp import Client

from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from tests.conformance.node import (
    HERE,
    LIMIT_S,
    REVISIONS,
    Checks,
    checked,
    differences,
    failed,
    judged,
    listed,
)
from tests.house import environment
from tests.limits import HANGS_S
from tests.voice import beep
from tests.wire.child import SONG_MCP
from tests.wire.web import SERVE, Web, serving

OVERLAY = (sys.executable, "-m", "tests.conformance.overlay")
ROOT = HERE.parent.parent

# `completion-complete` is not among them: it asks for a prompt of the suite's own, and one that is
# not there has no completions.
WITHOUT_FIXTURES = {
    "2025-11-25": (
        "server-initialize",
        "server-session-lifecycle",
        "ping",
        "tools-list",
        "server-sse-multiple-streams",
        "resources-list",
        "resources-subscribe",
        "resources-unsubscribe",
        "prompts-list",
        "dns-rebinding-protection",
    ),
    "2026-07-28": (
        "server-stateless",
        "tools-list",
        "server-sse-multiple-streams",
        "resources-list",
        "sep-2164-resource-not-found",
        "prompts-list",
        "dns-rebinding-protection",
        "caching",
        "http-header-validation",
    ),
}

BASELINE = HERE / "baseline.yml"

pytestmark = pytest.mark.limit(LIMIT_S)


@pytest.fixture(scope="module")
async def services() -> AsyncIterator[str]:
    """The sandbox's address."""
    async with running(build_app(0.5, press=beep)) as base_url:
        yield base_url


@pytest.fixture(scope="module")
async def real(services: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Web]:
    """`song-mcp serve`, with a song in its library."""
    folder = tmp_path_factory.mktemp("real")
    command = (*SONG_MCP, *SERVE)
    async with serving(folder, environment(folder, services), "--no-token", command=command) as web:
        async with Client(web.url) as client:
            with anyio.fail_after(HANGS_S):
                made = await client.call_tool("generate_song", {"description": "a jig"})
            assert made.structured_content is not None
            assert made.structured_content["status"] == "completed"
        yield web


@pytest.fixture(scope="module")
async def overlay(services: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Web]:
    """The same server with the suite's fixtures."""
    folder = tmp_path_factory.mktemp("overlay")
    variables = environment(folder, services) | {"PYTHONPATH": str(ROOT)}
    async with serving(folder, variables, command=OVERLAY) as web:
        yield web


@pytest.mark.parametrize(
    ("revision", "scenario"),
    [(revision, name) for revision, names in WITHOUT_FIXTURES.items() for name in names],
)
async def test_the_server_as_it_is_passes(
    real: Web, tmp_path: Path, revision: str, scenario: str
) -> None:
    options = ["--spec-version", revision, "--scenario", scenario]
    ran = await judged(real.url, tmp_path, *options, "--expected-failures", str(BASELINE))
    checks = checked(tmp_path).get(scenario, {})
    show(revision, {scenario: checks})
    expected = {name for name in listed(BASELINE) if name.startswith(f"{scenario}:")}
    assert differences({scenario: checks}, expected) == [], ran.stdout
    assert ran.returncode == 0, ran.stdout
    assert checks


@pytest.mark.parametrize("revision", REVISIONS)
async def test_the_server_with_the_suites_fixtures_meets_the_revision(
    overlay: Web, tmp_path: Path, revision: str
) -> None:
    file = HERE / f"expected-failures-{revision}.yml"
    options = ["--requirements", revision, "--expected-failures", str(file)]
    ran = await judged(overlay.url, tmp_path, *options)
    found, expected = checked(tmp_path), listed(file)
    show(f"{revision} with fixtures", found)
    assert differences(found, expected) == [], ran.stdout
    assert ran.returncode == 0, ran.stdout
    assert len(found) > 30


def show(what: str, found: Checks) -> None:
    """Print how many checks of each scenario passed and failed."""
    for scenario, checks in found.items():
        wrong = failed(checks)
        passed = sum(status == "SUCCESS" for status in checks.values())
        print(f"\n{what} {scenario}: {passed} passed, {len(wrong)} failed {wrong or ''}", end=" ")
