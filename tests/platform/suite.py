"""The pytest plugin of `make platform`: existing suites in the simulated Windows.

`NOT_PROMISED` is the one table of what is left out: each test with the promise that it proves,
which only a POSIX system can keep. Everything else runs, in the newer protocol era where a test has
both. A run of all fails if a test is skipped for another reason, if fewer than `LEAST` tests pass,
or if an entry names no test.
"""

from collections.abc import Sequence

import pytest
from pretended import is_begun

from tests.eras import LEGACY, MODERN

LEAST = 400

MODES = "Windows has no modes: what keeps others out there are the rights of the user's profile"
OWNERS = "Windows has no owner by number: the rights of the user's profile keep others out"
NO_HANDLE = (
    "Windows opens no folder and takes no name relative to one, so whoever may write in the "
    "user's folders can lead a file astray; the rights of the profile keep others out"
)
FILE = "tests/journal/test_file.py"
MARK = "a folder's read-only mark keeps nobody from writing in it on Windows"
ACCESS = "tests/server/test_access.py"
STORE = "tests/library/test_store.py"
NOT_PROMISED: dict[str, str] = {
    "tests/journal/test_file.py::test_everything_beside_the_journal_is_the_users_alone": MODES,
    "tests/journal/test_file.py::test_a_folder_of_another_user_is_neither_used_nor_changed": OWNERS,
    f"{FILE}::test_a_folder_that_becomes_read_only_is_read_and_nothing_is_paid": MARK,
    "tests/journal/test_liveness.py::test_folders_and_files_are_the_users_alone": MODES,
    "tests/journal/test_store.py::test_file_and_folder_are_the_users_alone": MODES,
    "tests/test_inbox.py::test_a_file_and_its_folder_are_for_the_user_alone": MODES,
    "tests/test_inbox.py::test_the_bytes_are_on_the_disk_before_the_file_has_its_name": (
        "Windows syncs no folder; NTFS has names in its own journal"
    ),
    f"{ACCESS}::test_the_token_is_made_once_and_only_its_owner_can_read_it": MODES,
    f"{ACCESS}::test_a_token_that_others_can_read_or_write_is_refused": MODES,
    f"{STORE}::test_a_symlink_swapped_in_during_the_download_leads_nothing_astray": NO_HANDLE,
    f"{STORE}::test_a_folder_that_may_not_be_written_is_explained": MARK,
    "tests/test_kept.py::test_a_file_that_others_can_read_or_write_is_a_wrong_setting": MODES,
}
"""By the test's path and name, without parameters: why Windows does not promise that."""


def pytest_configure() -> None:
    if not is_begun():
        raise pytest.UsageError("PYTHONPATH must begin with tests/platform/windows")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = _in_one_era(items)
    files = {item.nodeid.partition("::")[0] for item in items}
    stale = {name for name in NOT_PROMISED if name.partition("::")[0] in files}
    for item in items:
        name = item.nodeid.partition("[")[0]
        if name in NOT_PROMISED:
            stale.discard(name)
            item.add_marker(pytest.mark.skip(reason=NOT_PROMISED[name]))
    if stale:
        raise pytest.UsageError(f"no such tests: {', '.join(sorted(stale))}")


def _in_one_era(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Leave out the older era where a test runs in both: no era knows of systems."""
    names = {item.nodeid for item in items}
    return [
        item for item in items if item.nodeid.replace(LEGACY, MODERN) not in names - {item.nodeid}
    ]


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
