"""The pytest plugin of `make platform`: existing suites in the simulated Windows.

`NOT_PROMISED` is the one table of what is left out: each test with the promise that it proves,
which only a POSIX system can keep. Everything else runs. The run fails if an entry names no test,
if a test is skipped for another reason, or if fewer than `LEAST` tests pass.
"""

from collections.abc import Sequence

import pytest
from pretended import is_begun

LEAST = 400

NOT_PROMISED: dict[str, str] = {}
"""By the test's path and name, without parameters: why Windows does not promise that."""


def pytest_configure() -> None:
    if not is_begun():
        raise pytest.UsageError("PYTHONPATH must begin with tests/platform/windows")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    files = {item.nodeid.partition("::")[0] for item in items}
    stale = {name for name in NOT_PROMISED if name.partition("::")[0] in files}
    for item in items:
        name = item.nodeid.partition("[")[0]
        if name in NOT_PROMISED:
            stale.discard(name)
            item.add_marker(pytest.mark.skip(reason=NOT_PROMISED[name]))
    if stale:
        raise pytest.UsageError(f"no such tests: {', '.join(sorted(stale))}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a whole run that was too small, or that skipped a test without a reason of the table."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None or hasattr(session.config, "workerinput"):
        return
    skipped = terminal.stats.get("skipped", [])
    others = [one for one in skipped if one.nodeid.partition("[")[0] not in NOT_PROMISED]
    passed = len(terminal.stats.get("passed", []))
    for one in others:
        terminal.write_line(f"skipped for a reason that is not in the table: {one.nodeid}")
    if others or (session.config.getoption("--whole") and passed < LEAST):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole", action="store_true", help=f"fail if fewer than {LEAST} tests pass")
