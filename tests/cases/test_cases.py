"""Every case of this folder comes out right, played by a real server and real sockets.

The cases wait far more than they compute, so some of them are played at a time, and each test waits
for its own. With SONG_CASES=FOLDER those of another folder are played in their place; README.md
says in which form.
"""

import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import anyio
import pytest

from tests.cases.case import Case, own_cases
from tests.cases.long_form import cases_in
from tests.cases.playing import Outcome, play
from tests.faults.harness import Nursery, nursery

pytestmark = [pytest.mark.xdist_group("cases"), pytest.mark.first, pytest.mark.limit(300)]

ELSEWHERE = os.environ.get("SONG_CASES", "")
CASES = cases_in(Path(ELSEWHERE)) if ELSEWHERE else own_cases()
PENDING = Path(__file__).with_name("pending.txt").read_text(encoding="utf-8").split("\n")
"""The names of the cases that do not come out right yet."""
AT_ONCE = 12


class Played:
    """A case that is being played; its outcome is there when it is `done`."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.outcome: Outcome | None = None
        self.error: Exception | None = None

    async def play(
        self, case: Case, folder: Path, nursed: Nursery, limit: anyio.CapacityLimiter
    ) -> None:
        async with limit:
            try:
                self.outcome = await play(case, folder, nursed)
            except Exception as error:  # noqa: BLE001 - its own test fails, and no other one
                self.error = error
            finally:
                self.done.set()


@pytest.fixture(scope="module")
async def played(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Mapping[str, Played]]:
    """Begin to play the cases that are chosen, in the order of their tests."""
    chosen = [case_of(item) for item in request.session.items if item.path == request.path]
    playing = {case.name: Played() for case in chosen if case}
    limit = anyio.CapacityLimiter(AT_ONCE)
    with nursery() as nursed:
        async with anyio.create_task_group() as group:
            for case in filter(None, chosen):
                folder = tmp_path_factory.mktemp("case")
                group.start_soon(playing[case.name].play, case, folder, nursed, limit)
            yield playing
            group.cancel_scope.cancel()


def case_of(item: pytest.Item) -> Case | None:
    """Return the case of a test, or None if it has none."""
    found = item.callspec.params.get("case") if hasattr(item, "callspec") else None
    return found if isinstance(found, Case) else None


def parametrized(case: Case) -> "pytest.ParameterSet":
    wrong = pytest.mark.xfail(strict=True, raises=AssertionError, reason="pending")
    return pytest.param(case, id=case.name, marks=[wrong] if case.name in PENDING else [])


@pytest.mark.parametrize("case", [parametrized(case) for case in CASES])
async def test_a_case_comes_out_right(case: Case, played: Mapping[str, Played]) -> None:
    found = played[case.name]
    await found.done.wait()
    if found.error is not None:
        raise found.error
    assert found.outcome is not None
    assert found.outcome.is_right(case.expect), found.outcome.told(case)


@pytest.mark.skipif(bool(ELSEWHERE), reason="the list is of our own cases")
def test_what_is_pending_is_a_case() -> None:
    assert set(filter(None, PENDING)) <= {case.name for case in CASES}
