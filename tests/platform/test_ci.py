"""The CI file for a public host, which cannot be run here: its form alone."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent.parent
FILE = ROOT / ".github" / "workflows" / "ci.yml"
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40}")


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    read: dict[str, Any] = YAML(typ="safe").load(FILE.read_text(encoding="utf-8"))["jobs"]["tests"]
    return read


def test_each_system_runs_with_each_python_that_the_package_allows(job: dict[str, Any]) -> None:
    matrix = job["strategy"]["matrix"]
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert matrix["python"] == re.findall(r'"Programming Language :: Python :: (3\.\d+)"', project)
    assert [name.partition("-")[0] for name in matrix["system"]] == ["ubuntu", "macos", "windows"]
    assert job["runs-on"] == "${{ matrix.system }}"
    assert not job["strategy"]["fail-fast"]


def test_each_step_runs_or_uses_something_and_actions_are_pinned(job: dict[str, Any]) -> None:
    for step in job["steps"]:
        assert ("run" in step) != ("uses" in step), step
        assert PINNED.fullmatch(step.get("uses", "a/b@" + 40 * "0")), step


def test_packages_are_installed_by_their_hashes_or_are_ours(job: dict[str, Any]) -> None:
    installs = [step["run"] for step in job["steps"] if "pip install" in step.get("run", "")]
    assert len(installs) == 2
    for command in installs:
        assert "--require-hashes" in command or "--no-deps" in command


def test_what_is_run_is_there(job: dict[str, Any]) -> None:
    commands = " ".join(step.get("run", "") for step in job["steps"])
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"make ([\w-]+)", commands):
        assert f"\n{target}: " in makefile
    for file in re.findall(r"-r (\S+)", commands):
        assert (ROOT / file).is_file()
    assert "song-mcp demo" in commands


def test_it_names_no_package_index_and_no_secret() -> None:
    text = FILE.read_text(encoding="utf-8")
    for word in ("index-url", "pypi", "://", "secrets."):
        assert word not in text
