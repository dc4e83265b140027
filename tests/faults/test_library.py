"""The library under attack: nothing is written elsewhere, replaced, or left half written."""

import os
import random
import signal
import subprocess
import sys
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from song_mcp.errors import LibraryError
from song_mcp.library.names import file_names
from song_mcp.library.store import Library
from tests.children import popen
from tests.faults.names import AUDIO, CAP, CLIP, COVER, PICTURE, SONG, TASK, Web, is_whole, snapshot
from tests.faults.scale import report, scaled

ROOT = Path(__file__).parent.parent.parent
SHELF_SIZE = 50
"""How many clips go into one folder: each save looks through it."""
PIECES = (
    *("../", "..\\", "/etc/passwd", "~/", "C:\\", "CON", "NUL.txt", "aux", "LPT1", "com¹", "."),
    *("\0", "\n", "\r\n", "\x1b[2J", "\u202e", "\ud800", "\udfff", "\ufeff", "\u200b", "\u2028"),
    *("\u2215", "\u2044", "\uff0f", "\uff3c", "\u29f8", "%2e%2e%2f", "%00", "..%c0%af", "....//"),
    *("-rf", "--", "$(id)", "`id`", ";rm", "|", "*", "?", '"', "'", "<b>", ":stream", "a" * 300),
    *("é", "e\u0301" * 80, "夜" * 70, "👩\u200d💻" * 30, "م\u200cی", "\u0e33" * 9, "\u0f71" * 40),
    *(".partial-x", ".mp3", ".exe", "desktop.ini", ".bashrc", "song-mcp", " ", "  .", "...", ""),
)
DICE = random.Random(20261122)  # noqa: S311 - a shuffle, not a secret


@contextmanager
def told(capsys: pytest.CaptureFixture[str]) -> Iterator[Counter[str]]:
    """Count, and print what was counted."""
    count = Counter[str]()
    yield count
    with capsys.disabled():
        report(f"\nlibrary: {dict(count)}")


def hostile() -> str:
    return "".join(DICE.choice(PIECES) for _ in range(DICE.randint(0, 6)))[:1000]


async def test_hostile_titles_and_ids_stay_in_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "victim.mp3").write_bytes(b"not yours")
    before = snapshot(tmp_path)
    with told(capsys) as count:
        for start in range(0, scaled(2000), SHELF_SIZE):
            number = min(SHELF_SIZE, scaled(2000) - start)
            catalog = tmp_path / "catalog"
            ids = await _fill(catalog / "Music", number)
            count["titles and ids"] += number
            names = [path.name for path in (catalog / "Music").iterdir()]
            assert len(names) == len(ids)
            assert all(_is_ours(name) for name in names), names
            assert all(is_whole(path) for path in (catalog / "Music").iterdir())
            assert [path.name for path in catalog.iterdir()] == ["Music"]
            _clear(catalog)
    assert snapshot(tmp_path) == before


async def _fill(folder: Path, number: int) -> set[str]:
    """Save so many clips with hostile titles; returns their ids."""
    ids = {hostile() for _ in range(number)}
    for clip_id in ids:
        task = replace(TASK, title=hostile(), model=hostile())
        clip = replace(CLIP, clip_id=clip_id, title=DICE.choice((hostile(), "")))
        await Library(folder, Web({AUDIO: SONG}), cap_bytes=CAP).save(task, clip)
    return ids


def _is_ours(name: str) -> bool:
    """Letters, digits, dashes and single spaces; short enough for every system."""
    stem, dot, extension = name.rpartition(".")
    is_short = len(name.encode()) <= 200 and len(name) <= 130
    signs = {char for char in stem if not (char.isalnum() or _is_mark(char))}
    is_plain = stem[0].isalnum() or _is_mark(stem[0])
    return is_short and dot == "." and extension == "mp3" and is_plain and signs <= {" ", "-"}


def _is_mark(char: str) -> bool:
    return unicodedata.category(char)[0] in "LMN"


def _clear(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    folder.rmdir()


# Races -------------------------------------------------------------------------------------


class Attack:
    """Puts symlinks to a victim's files where the library is about to write, and removes them.

    `home/music/songs` is the library, `home/victim` what must stay as it is.
    """

    def __init__(self, home: Path, kind: str) -> None:
        self.folder = home / "music" / "songs"
        self.victim = home / "victim"
        (self.victim / "songs").mkdir(parents=True)
        (self.victim / "file").write_bytes(b"not yours")
        self.folder.mkdir(parents=True)
        self._swap = {"folder": self._folder, "parent": self._parent}.get(kind, self._target)
        self._targets = kind == "partial"
        self.swaps = 0

    def once(self) -> None:
        """Swap once; goes on if something is in the way."""
        with suppress(OSError):
            self._swap()
            self.swaps += 1

    def settle(self) -> None:
        """Put swapped folders back, so that what is in them can be looked at."""
        for path in (self.folder.parent, self.folder):
            if path.is_symlink():
                self._swap()

    def _folder(self) -> None:
        self._exchange(self.folder, self.victim / "songs")

    def _parent(self) -> None:
        self._exchange(self.folder.parent, self.victim)

    def _exchange(self, path: Path, target: Path) -> None:
        aside = path.with_name(path.name + "-aside")
        if path.is_symlink():
            path.unlink()
            aside.rename(path)
        else:
            path.rename(aside)
            path.symlink_to(target, target_is_directory=True)

    def _target(self) -> None:
        names = [path.name for path in self.folder.iterdir() if path.name.startswith(".partial")]
        names = names if self._targets else list(file_names(TASK, CLIP, ".mp3"))[:2]
        for name in names:
            if (self.folder / name).is_symlink():
                (self.folder / name).unlink()
            elif self._targets or not (self.folder / name).exists():
                (self.folder / name).unlink(missing_ok=True)
                (self.folder / name).symlink_to(self.victim / "file")


@contextmanager
def attacking(attack: Attack) -> Iterator[None]:
    """Attack from a thread as long as the block runs."""
    is_over = threading.Event()

    def run() -> None:
        while not is_over.is_set():
            attack.once()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


async def _save(attack: Attack, between: Callable[[], None] | None) -> str:
    web = Web({AUDIO: SONG, COVER: PICTURE}, between)
    library = Library(attack.folder, web, cap_bytes=CAP)
    try:
        with attacking(attack) if between is None else nullcontext():
            await library.save(TASK, replace(CLIP, image_url=COVER))
    except LibraryError:
        return "refused"
    return "saved"


@pytest.mark.parametrize("kind", ["folder", "parent", "target", "partial"])
async def test_a_symlink_that_is_swapped_in_leads_nothing_astray(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with told(capsys) as count:
        for number in range(max(5, scaled(200) // 4)):
            home = tmp_path / str(number)
            attack = Attack(home, kind)
            before = snapshot(attack.victim)
            steps = iter(range(1000))
            turn = number // 2 + 1

            def at_some_steps(attack: Attack = attack, turn: int = turn) -> None:
                if next(steps) % turn == 0:  # noqa: B023 - called within this round only
                    attack.once()

            count[await _save(attack, at_some_steps if number % 2 else None)] += 1
            count[f"{kind} races"] += 1
            count["swaps"] += attack.swaps
            attack.settle()
            assert snapshot(attack.victim) == before
            files = [p for p in (home / "music").rglob("*") if p.is_file() and not p.is_symlink()]
            final = [path for path in files if not path.name.startswith(".")]
            assert all(is_whole(path) for path in final), final


# Killed ------------------------------------------------------------------------------------


def test_a_save_that_is_killed_leaves_whole_files_or_hidden_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "victim").mkdir()
    with told(capsys) as count:
        for run in range(scaled(60, least=5)):
            folder = tmp_path / f"songs{run}"
            count["songs begun"] += _killed(folder, str(run))
            count["kills"] += 1
            names = [path.name for path in folder.iterdir()] if folder.exists() else []
            final = [folder / name for name in names if not name.startswith(".partial-")]
            count["whole files"] += len(final)
            count["hidden files"] += len(names) - len(final)
            assert all(is_whole(path) for path in final), names
    assert count["whole files"] > 0
    assert list((tmp_path / "victim").iterdir()) == []


def _killed(folder: Path, run: str) -> int:
    """Start a process that saves songs, kill it in the middle of one; returns how many it began."""
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    command = [sys.executable, "-m", "tests.faults.saver", str(folder), run]
    environment = {**os.environ, "PYTHONPATH": path}
    with popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=environment) as process:
        assert process.stdout is not None
        begun = DICE.randint(1, 12)
        for _ in range(begun):
            assert process.stdout.readline(), "the saving process ended by itself"
        for _ in range(DICE.randint(0, 200_000)):
            pass
        process.send_signal(signal.SIGKILL)
    return begun
