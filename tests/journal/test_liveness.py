"""Who is dead: whoever holds no lock, and nobody else."""

import errno
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from song_mcp.journal import Liveness
from tests import children
from tests.held_open import refuse_open

HOLD = """
import sys
from pathlib import Path
from song_mcp.journal import Liveness
from tests import children
life = Liveness(Path(sys.argv[1]))
life.enter()
print(life.token, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "new" / "home" / "processes"


def entered(folder: Path) -> Liveness:
    life = Liveness(folder)
    life.enter()
    return life


def test_each_process_has_a_token_of_its_own(folder: Path) -> None:
    assert len({Liveness(folder).token for _ in range(100)}) == 100
    assert len(Liveness(folder).token) == 16


def test_who_holds_its_lock_lives_until_it_leaves(folder: Path) -> None:
    other, life = Liveness(folder), entered(folder)
    assert not other.is_dead(life.token)
    life.enter()
    assert not other.is_dead(life.token), "entering twice is entering once"
    life.leave()
    assert other.is_dead(life.token)
    life.leave()
    assert list(folder.iterdir()) == []


def test_who_finds_its_file_removed_leaves_all_the_same(folder: Path) -> None:
    life = entered(folder)
    (file,) = folder.iterdir()
    file.unlink()
    life.leave()
    life.enter()
    life.leave()


def test_who_left_can_enter_again(folder: Path) -> None:
    life = entered(folder)
    life.leave()
    life.enter()
    assert not Liveness(folder).is_dead(life.token)
    life.leave()


def test_nobody_is_dead_to_itself(folder: Path) -> None:
    life = Liveness(folder)
    assert not life.is_dead(life.token), "before it has entered"
    life.enter()
    assert not life.is_dead(life.token)
    life.leave()


def test_who_was_never_seen_is_dead(folder: Path) -> None:
    assert Liveness(folder).is_dead("somebody")


def test_a_process_that_was_killed_is_dead_and_its_file_is_removed(folder: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(folder)]
    with children.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        token = child.stdout.readline().strip()
        life = Liveness(folder)
        assert not life.is_dead(token)
        child.kill()
        child.wait()
    assert list(folder.iterdir()) != []
    assert life.is_dead(token)
    assert list(folder.iterdir()) == []


def test_the_files_of_killed_processes_are_removed_by_who_enters(folder: Path) -> None:
    alive = entered(folder)
    for number in range(50):
        (folder / f"dead-{number}.lock").touch()
    life = entered(folder)
    assert {file.stem for file in folder.iterdir()} == {alive.token, life.token}
    assert not life.is_dead(alive.token)
    life.leave()
    alive.leave()


def test_who_enters_while_others_sweep_is_alive_to_all_of_them(folder: Path) -> None:
    lives = [Liveness(folder) for _ in range(8)]

    def enter_often(life: Liveness) -> list[str]:
        dead = []
        for _ in range(30):
            life.enter()
            dead += [life.token] if Liveness(folder).is_dead(life.token) else []
            life.leave()
        return dead

    with ThreadPoolExecutor(len(lives)) as pool:
        found = list(pool.map(enter_often, lives))
    assert found == [[]] * len(lives)
    assert list(folder.iterdir()) == []


async def test_the_dead_among_many_are_named_once_each_in_order(folder: Path) -> None:
    life, other = Liveness(folder), entered(folder)
    await life.show()
    tokens = ["b", "a", other.token, life.token, "b"]
    assert await life.dead_among(tokens) == ["a", "b"]
    assert not other.is_dead(life.token)
    life.leave()
    other.leave()


def test_folders_and_files_are_the_users_alone(folder: Path) -> None:
    before = os.umask(0)
    try:
        life = entered(folder)
    finally:
        os.umask(before)
    (file,) = folder.iterdir()
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder.parent, folder, file)]
    assert modes == [0o700, 0o700, 0o600]
    life.leave()


def test_where_a_lock_cannot_be_tried_nobody_is_taken_for_dead(folder: Path) -> None:
    (folder / "somebody.lock").mkdir(parents=True)
    assert not Liveness(folder).is_dead("somebody")


def test_a_folder_that_cannot_be_made_is_told_and_can_be_made_later(folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.touch()
    life = Liveness(folder)
    with pytest.raises(OSError, match="exists"):
        life.enter()
    folder.unlink()
    life.enter()
    assert not Liveness(folder).is_dead(life.token)
    life.leave()


def test_where_no_open_file_is_deleted_files_are_removed_after_the_release(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_open(monkeypatch)
    folder.mkdir(parents=True)
    (folder / "killed.lock").touch()
    life, other = entered(folder), entered(folder)
    assert {file.stem for file in folder.iterdir()} == {life.token, other.token}
    assert not other.is_dead(life.token)
    life.leave()
    assert other.is_dead(life.token)
    other.leave()
    assert list(folder.iterdir()) == []


def test_who_takes_the_lock_of_one_that_leaves_keeps_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows deletes no file that another process has opened meanwhile."""
    refuse_open(monkeypatch)
    life = entered(folder)
    (file,) = folder.iterdir()
    with file.open("rb"):
        life.leave()
        assert list(folder.iterdir()) == [file]
    assert Liveness(folder).is_dead(life.token)
    assert list(folder.iterdir()) == []


def test_a_lock_whose_file_cannot_be_looked_at_is_no_sign_of_death(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows refuses that for a moment, for a file that is being deleted."""
    life = entered(folder)

    def refused(_: Path) -> bool:
        raise PermissionError(errno.EACCES, "Access is denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "exists", refused)
        assert not Liveness(folder).is_dead(life.token)
    life.leave()
