"""Eight processes on one journal: no lock error is ever seen, and a new file is made once."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from statistics import quantiles
from typing import Any

import pytest

from song_mcp.journal.schema import FIRST, MIGRATIONS
from tests.faults.racing import Worker, crew, race
from tests.faults.scale import report, scaled

pytestmark = [pytest.mark.xdist_group("journal load"), pytest.mark.at_size]  # one crew for all

Json = dict[str, Any]

PROCESSES = 8
UNUSABLE = "cannot be used ("
"""What is said of a journal that fails, but is not known to be damaged."""
SCHEMA = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"


@pytest.fixture(scope="module")
async def workers() -> AsyncIterator[list[Worker]]:
    async with crew(PROCESSES) as started:
        yield started


async def test_eight_processes_share_a_journal_without_a_lock_error(
    workers: list[Worker], tmp_path: Path
) -> None:
    path, transactions = tmp_path / "journal.sqlite3", scaled(20_000)
    share = transactions // PROCESSES
    orders = [load_order(path, f"{name}", share) for name in range(PROCESSES)]
    answers = await race(workers, orders)
    errors = [error for answer in answers for error in answer["errors"]]
    assert errors == []
    made = sum(len(times) for answer in answers for times in answer["times"].values())
    assert made >= transactions
    assert completed_in(path) == sum(len(answer["times"]["prepare"]) for answer in answers)
    assert integrity_of(path) == "ok"
    report(f"load: {made} transactions of {PROCESSES} processes, {len(errors)} errors")
    for kind in answers[0]["times"]:
        report(f"  {kind:8}{figures(list(chain(*(a['times'][kind] for a in answers))))}")
    report(f"  {'all':8}{figures([t for a in answers for ts in a['times'].values() for t in ts])}")


async def test_eight_processes_make_a_new_journal_once(
    workers: list[Worker], tmp_path: Path
) -> None:
    expected, rounds = schema_of_a_new_file(tmp_path), scaled(100)
    for number in range(rounds):
        path = tmp_path / str(number) / "journal.sqlite3"
        answers = await race(workers, [use_order(path, f"{k}") for k in range(PROCESSES)])
        assert [answer for answer in answers if "error" in answer] == []
        assert schema_of(path) == expected
        assert titles_in(path) == ["1", "3", "5", "7"]
    report(f"new file: {rounds} rounds, {rounds * PROCESSES} first uses at once, one schema")


async def test_eight_processes_migrate_an_old_journal_once(
    workers: list[Worker], tmp_path: Path
) -> None:
    expected, rounds = schema_of_a_new_file(tmp_path), scaled(100)
    for number in range(rounds):
        path = tmp_path / str(number) / "journal.sqlite3"
        make_first_version(path)
        answers = await race(workers, [use_order(path, f"{k}") for k in range(PROCESSES)])
        assert [answer for answer in answers if "error" in answer] == []
        assert schema_of(path) == expected
        assert titles_in(path) == ["1", "3", "5", "7", "Old"]
    report(f"migration: {rounds} rounds, {rounds * PROCESSES} first uses at once, one schema")


async def test_eight_processes_replace_a_damaged_journal_once(
    workers: list[Worker], tmp_path: Path
) -> None:
    expected, rounds, told = schema_of_a_new_file(tmp_path), scaled(100), 0
    for number in range(rounds):
        path = tmp_path / str(number) / "journal.sqlite3"
        path.parent.mkdir()
        damaged = b"this was a journal once " * 1000
        path.write_bytes(damaged)
        told += await told_of_damage(workers, path)
        (aside,) = path.parent.glob("*.damaged-*")
        assert aside.read_bytes() == damaged
        assert schema_of(path) == expected
        assert titles_in(path) == []
    report(f"damaged file: {rounds} rounds, {told} calls refused, replaced once in each")


async def told_of_damage(workers: list[Worker], path: Path) -> int:
    """Let all write at once to a damaged file; returns how many are refused: all of them.

    One that meets the file just while another one replaces it may say that it cannot be used now.
    """
    orders = [{"do": "use", "path": str(path), "kind": "write", "name": f"{k}"} for k in range(8)]
    answers = await race(workers, orders)
    errors = [answer.get("error", "") for answer in answers]
    assert all("was damaged" in error or UNUSABLE in error for error in errors), answers
    assert any("was damaged" in error for error in errors), answers
    return len(errors)


def load_order(path: Path, name: str, transactions: int) -> Json:
    return {"do": "load", "path": str(path), "name": name, "transactions": transactions}


def use_order(path: Path, name: str) -> Json:
    """A first use of a journal: even ones read, odd ones write."""
    kind = ("read", "write")[int(name) % 2]
    return {"do": "use", "path": str(path), "kind": kind, "name": name}


def figures(times: list[float]) -> str:
    """Count, p50, p99 and the longest, in milliseconds."""
    cuts = quantiles(times, n=100)
    return (
        f" {len(times):6}  p50 {cuts[49]:7.1f} ms  p99 {cuts[98]:7.1f} ms  max {max(times):7.1f} ms"
    )


def make_first_version(path: Path) -> None:
    """Make a journal as the first version of song-mcp left it, with one song."""
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"{FIRST} PRAGMA user_version = 1;")
        db.execute(
            "INSERT INTO tasks (local_id, service, task_id, model, kind, status, title, created_at)"
            " VALUES ('local-1', 'piapi', 't1', 'udio', 'song', 'completed', 'Old', 1.0)"
        )
        db.commit()


def schema_of_a_new_file(folder: Path) -> list[Any]:
    """The schema that one process alone makes of an empty file, and its number."""
    with closing(sqlite3.connect(folder / "alone.sqlite3")) as db:
        for script in MIGRATIONS:
            db.executescript(script)
        return [*db.execute(SCHEMA), len(MIGRATIONS)]


def schema_of(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        return [*db.execute(SCHEMA), db.execute("PRAGMA user_version").fetchone()[0]]


def titles_in(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute("SELECT title FROM tasks ORDER BY title")]


def completed_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        query = "SELECT count(*) FROM tasks JOIN clips USING (local_id) WHERE tasks.status = ?"
        return int(db.execute(query, ("completed",)).fetchone()[0])


def integrity_of(path: Path) -> str:
    with closing(sqlite3.connect(path)) as db:
        return str(db.execute("PRAGMA integrity_check").fetchone()[0])
