"""A run of the tests always ends: pytest on sample suites that fail, hang and are cancelled."""

import os
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import children
from tests.limits import HANGS_S, TEST_S

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "tests" / "samples"
OUTCOME = re.compile(r"^(PASSED|FAILED|ERROR) \S+::(\S+)(?: - (.*))?$", re.MULTILINE)
AT_THE_LIMIT = "took longer than"

FAILED, PASSED, ERROR = "FAILED", "PASSED", "ERROR"
EXPECTED = {
    "test_in_all[fails]": {FAILED: "on purpose"},
    "test_in_all[hangs_shielded]": {FAILED: f"call {AT_THE_LIMIT}"},
    "test_in_all[blocks]": {FAILED: f"call {AT_THE_LIMIT}"},
    "test_in_all[is_cancelled]": {FAILED: "was cancelled"},
    "test_in_what_is_shared[hangs]": {FAILED: f"call {AT_THE_LIMIT}"},
    "test_in_what_is_shared[spins]": {FAILED: f"call {AT_THE_LIMIT}"},
    "test_in_what_is_shared[says_it_is_cancelled]": {FAILED: "was cancelled"},
    "test_in_what_is_shared[passes]": {PASSED: ""},
    "test_plainly[blocks_plainly]": {FAILED: f"call {AT_THE_LIMIT}"},
    "test_plainly[waits_for_a_child]": {FAILED: f"call {AT_THE_LIMIT}"},
    "test_plainly[runs_a_child]": {FAILED: "on purpose"},
    "test_with_an_endless_setup": {ERROR: f"setup {AT_THE_LIMIT}"},
    "test_with_an_endless_plain_setup": {ERROR: f"setup {AT_THE_LIMIT}"},
    "test_with_an_endless_teardown": {PASSED: "", ERROR: f"teardown {AT_THE_LIMIT}"},
    "test_with_an_endless_plain_teardown": {PASSED: "", ERROR: f"teardown {AT_THE_LIMIT}"},
    "test_with_a_deadline_around_it": {FAILED: "TimeoutError", ERROR: "TimeoutError"},
    "test_with_a_fixture_that_breaks": {FAILED: "broken", ERROR: "broken"},
    "test_that_comes_after_all_these": {PASSED: ""},
    "test_stubbornly[hangs_in_a_group]": {FAILED: f"call {AT_THE_LIMIT}"},
    "test_stubbornly[hangs_stubbornly]": {FAILED: f"call {AT_THE_LIMIT}"},
}
"""The words that the report must have for each test of the sample suite."""


def ran(folder: Path, sample: str, *options: str) -> tuple[int, str]:
    """Run pytest on a sample; returns its exit status, and what it printed."""
    quiet = ("-q", "-rA", "--tb=no", "-p", "no:cacheprovider", f"--basetemp={folder / 'files'}")
    command = [sys.executable, "-m", "pytest", str(SAMPLES / sample), *quiet, *options]
    environment = os.environ | {"COLUMNS": "300", "PYTEST_XDIST_WORKER": ""}
    with children.popen(
        command, stdout=-1, stderr=-2, cwd=ROOT, env=environment, text=True
    ) as process:
        said, _ = process.communicate(timeout=4 * HANGS_S)
    return process.returncode, said


def is_alive(pid: int) -> bool:
    """Whether a process still runs; one that is dead and was not yet waited for does not."""
    state = children.run(
        ["/bin/ps", "-o", "state=", "-p", str(pid)], check=False, stdout=-1, text=True
    )
    return state.stdout.strip() not in {"", "Z"}


@dataclass(frozen=True)
class Run:
    """A run of the whole sample suite: its status, what it printed, and where it left logs."""

    status: int
    said: str
    logs: Path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("whole")
    logs = folder / "logs"
    return Run(*ran(folder, "ends.py", "--tb=short", f"--canaries={logs}"), logs)


@pytest.mark.first
@pytest.mark.xdist_group("ending")
@pytest.mark.limit(5 * HANGS_S)
def test_whatever_tests_do_the_run_ends_with_the_right_verdicts_and_no_process_left(
    whole: Run,
) -> None:
    said = whole.said
    found: dict[str, dict[str, str]] = {}
    for outcome, test, words in OUTCOME.findall(said):
        found.setdefault(test, {})[outcome] = words
    assert found.keys() == EXPECTED.keys(), said
    for test, expected in EXPECTED.items():
        assert found[test].keys() == expected.keys(), said
        assert all(words in found[test][outcome] for outcome, words in expected.items()), said
    assert whole.status == pytest.ExitCode.TESTS_FAILED
    pids = [int(log.stem.removeprefix("log-")) for log in whole.logs.glob("log-*.txt")]
    assert len(pids) > len(EXPECTED) / 2, "each server and worker has left its id"
    assert [pid for pid in pids if is_alive(pid)] == []


def test_a_test_that_cannot_be_ended_ends_the_run(tmp_path: Path) -> None:
    status, said = ran(tmp_path, "cannot_end.py", "--limit=0.5", "--limit-step=0.1")
    assert status == 1
    assert "Timeout (0:00:02.5" in said
    assert "in test_that_takes_no_failure" in said


@pytest.mark.first
@pytest.mark.xdist_group("ending")
@pytest.mark.limit(5 * HANGS_S)
def test_the_limit_shows_where_every_thread_and_task_is(whole: Run) -> None:
    assert "Captured stacks call" in whole.said
    assert re.search(r"Thread MainThread:\n(  .*\n)*.*in blocks_plainly", whole.said)
    tasks = r"Task hangs:\n|Task test_in_what_is_shared:\n(  .*\n)*.*in hangs"
    assert re.search(tasks, whole.said)


def test_each_test_has_a_limit(request: pytest.FixtureRequest) -> None:
    assert 0 < request.config.getoption("--limit") <= TEST_S


# Children ------------------------------------------------------------------------------------


OBEDIENT = "import sys; sys.stdin.read()"
LISTENING = "import time; print('ready', flush=True); time.sleep(9999)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + LISTENING


async def test_a_child_is_first_hung_up_on() -> None:
    async with children.process([sys.executable, "-c", OBEDIENT]) as child:
        pass
    assert child.returncode == 0


async def test_a_child_that_has_no_pipe_to_hang_up_is_terminated() -> None:
    command = [sys.executable, "-c", LISTENING]
    async with children.process(command, stdin=None) as child:
        assert child.stdout is not None
        await child.stdout.receive()
    assert child.returncode == -15


async def test_a_child_that_obeys_nothing_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "PATIENCE_S", 0.1)
    async with children.process([sys.executable, "-c", DEAF]) as child:
        assert child.stdout is not None
        await child.stdout.receive()
    assert child.returncode == -9


def test_without_an_event_loop_a_child_is_ended_in_the_same_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with children.popen([sys.executable, "-c", OBEDIENT], stdin=-1) as obedient:
        pass
    with children.popen([sys.executable, "-c", LISTENING], stdout=-1) as listening:
        assert listening.stdout is not None
        listening.stdout.readline()
    monkeypatch.setattr(children, "PATIENCE_S", 0.1)
    with children.popen([sys.executable, "-c", DEAF], stdin=-1, stdout=-1) as deaf:
        assert deaf.stdout is not None
        deaf.stdout.readline()
    ends = (obedient.returncode, listening.returncode, deaf.returncode)
    assert ends == (0, -15, -9)


STARTS = re.compile(
    r"subprocess\.(?:run|Popen|call|check_\w+)\(|open_process\(|run_process\(|posix_spawn|"
    r"\bstdio_client\(|create_subprocess|multiprocessing"
)
STARTERS = {
    "tests/children.py": "the contexts",
    "tests/wire/test_stdio.py": "the SDK's context",
    "tests/clients/converters.py": "the same",
    "tests/clients/drivers/google_agent.py": "the same",
    "tests/clients/sdks/walk.py": "the same",
    "tests/faults/test_impatient.py": "the same",
    "tests/conformance/inspector.py": "the same",
    "tests/packages/suite.py": "the same",
    "tests/platform/windows/pretended.py": "the name of a module",
    "tests/mutants/test_tree.py": "the words of tests that run in a copy",
    "tests/test_ending.py": "these words",
}


def test_every_process_is_started_in_a_context_that_ends_it() -> None:
    files = [file for file in (ROOT / "tests").rglob("*.py") if "node_modules" not in file.parts]
    found = Counter(
        str(file.relative_to(ROOT))
        for file in files
        if STARTS.search(file.read_text(encoding="utf-8"))
    )
    assert found.keys() == STARTERS.keys()
