"""Searches all that the test suite produced for the canaries that its services echoed.

Run by `make canaries`, as `pytest tests/harvest_search.py --harvest FOLDER`.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from tests.faults.canaries import HIDDEN, HTTP_TOKEN, SIGNATURE, SIGNED
from tests.harvest import WITH_OUR_KEY

MAY_HOLD_LINKS = ("results-", "stdout-", "journal.sqlite3")
"""A clip's own media URL is signed: it is in results, in resources and in the journal."""
MAY_HOLD_THE_TOKEN = ("http-token", "web.txt")
"""The token's own file, and the stderr of `song-mcp serve`, which says it once."""
OURS = "outcome-"
"""The names of tests, which may hold their own input: the key that is to be hidden is in one."""
SHOWN = 300
MOST = 0.9
"""The part of the tests that must have passed; `make test` says whether all do."""
FEWEST_FED = 300


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Path:
    found = request.config.getoption("--harvest")
    assert isinstance(found, Path), "name the folder that was gathered, with --harvest"
    return found


def places(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and not path.name.startswith(OURS):
            yield str(path.relative_to(folder)), path.read_bytes()


def hits(name: str, content: bytes) -> list[str]:
    """Return the places of canaries that must not be there."""
    text = content.decode("utf-8", "replace")
    if Path(name).name in MAY_HOLD_THE_TOKEN:
        text = text.replace(HTTP_TOKEN, "", 1)
    if Path(name).name.startswith(MAY_HOLD_LINKS):
        text = SIGNED.sub("", text)
    return [
        f"{name}: ...{text[max(0, at - SHOWN) : at + len(canary)]}"
        for canary in (*HIDDEN, SIGNATURE)
        if (at := text.find(canary)) >= 0
    ]


def kind_of(name: str) -> str:
    """Return what kind a place is: a journal, another file of a test, or what was gathered."""
    if "journal.sqlite3" in name:
        return "journal"
    return "file" if "/" in name else name.partition("-")[0]


def told(folder: Path, kind: str) -> Counter[str]:
    """Count the lines that all processes gathered under one name."""
    lines = (path.read_text(encoding="utf-8").splitlines() for path in folder.glob(f"{kind}-*"))
    return Counter(chain.from_iterable(lines))


def test_no_canary_is_in_anything_that_the_suite_produced(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size, count, found = Counter[str](), Counter[str](), list[str]()
    signed = Counter[str]()
    for name, content in places(folder):
        kind = kind_of(name)
        count[kind] += 1
        size[kind] += len(content)
        signed[kind] += content.count(SIGNATURE.encode())
        found += hits(name, content)
    collected = max(map(int, told(folder, "collected")), default=0)
    passed = sum(each.startswith("passed ") for each in told(folder, "outcome"))
    fed = told(folder, "fed")
    with capsys.disabled():
        print(f"\ncanaries: {passed} of {collected} tests passed; make test judges the others")
        print(f"canaries: {len(HIDDEN) + 1} canaries in {fed.total()} answers: {dict(fed)}")
        print(f"canaries: {count.total()} places, {size.total()} bytes, {len(found)} hits")
        print("\n".join(f"  {k}: {count[k]} places, {size[k]} bytes" for k in sorted(count)))
    assert found == [], "\n".join(found)
    assert passed >= MOST * collected > 0, "this was not the whole suite"
    assert fed[WITH_OUR_KEY] >= FEWEST_FED, "the canaries did not get in"
    for kind in ("results", "stdout", "journal"):
        assert signed[kind], f"no signed link got as far as the {kind}"
    for kind in ("log", "file", "printed"):
        assert size[kind], f"nothing was gathered as {kind}"


def test_the_search_finds_canaries() -> None:
    """A positive control: canaries would be found, with their places."""
    signed = f"https://cdn.example/a.mp3?sig={SIGNATURE}".encode()
    for name in ("results-1.txt", "stdout-1.txt", "files/x/home/journal.sqlite3"):
        assert hits(name, signed) == []
        assert all(len(hits(name, canary.encode())) == 1 for canary in HIDDEN)
    for name in ("log-1.txt", "printed-1.txt", "files/x/library/a.mp3"):
        assert len(hits(name, signed)) == 1
