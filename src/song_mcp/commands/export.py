"""`song-mcp export`: songs as a playlist, or as a folder to take along."""

import argparse
import json
import os
import re
import shutil
import unicodedata
from collections.abc import Callable, Sequence
from filecmp import cmp
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from anyio import to_thread

from song_mcp.commands.desk import NOT_MADE, Desk, at_desk, here
from song_mcp.commands.terminal import MOST
from song_mcp.commands.typed import typed

if TYPE_CHECKING:
    from song_mcp.journal import Pair
    from song_mcp.studio import Studio

DESCRIPTION = (
    "Write a playlist (a name that ends with .m3u8), or copy songs with covers and lyrics into a "
    "folder, with songs.json that tells what is known of each. Without words all songs. Nothing "
    "that is there already is replaced, except with --overwrite the playlist or songs.json."
)
EXAMPLE = "song-mcp export ~/Desktop/trams trams"
INDEX = "songs.json"
PLAYLIST = ".m3u8"
STEM_BYTES = 150
"""How long a name may be: with a number and an extension it fits on every system."""
REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
"""What Windows takes in no name, and so does a stick that was formatted there."""
DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
"""Names that mean a device on Windows, whatever follows a dot."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("target", type=Path, help="a file whose name ends with .m3u8, or a folder")
    parser.add_argument("query", nargs="*", metavar="WORD", help="only songs with all these words")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the playlist, or the folder's songs.json"
    )


def run(options: argparse.Namespace) -> int:
    """Export songs; returns the exit status."""
    desk = here()
    return at_desk(desk, lambda: work(desk, options))


async def work(desk: Desk, options: argparse.Namespace) -> int:
    """Find the songs, and write what was asked for."""
    from song_mcp.songs import completed

    async def find(studio: "Studio") -> "list[Pair]":
        page = await studio.songs(" ".join(options.query), MOST)
        return [(task, clip) for task in page.tasks for clip in completed(task.clips)]

    every = await desk.with_studio(find)
    pairs = [(task, clip) for task, clip in every if clip.file and clip.file.is_file()]
    if not pairs:
        desk.screen.say("There is no saved song with these words; nothing was written.")
        return NOT_MADE
    target = options.target.expanduser().absolute()
    write = _playlist if target.suffix.casefold() == PLAYLIST else _folder
    try:
        await to_thread.run_sync(write, target, pairs, options.overwrite)
    except FileExistsError as error:
        desk.screen.say(f"{error.filename} is there already: --overwrite replaces it.")
        return NOT_MADE
    except OSError as error:
        desk.screen.say(f"{target} cannot be written wholly: {error.strerror or error}.")
        return NOT_MADE
    desk.screen.show(f"{len(pairs)} songs:\n  {target}")
    for line in _left_out(every):
        desk.screen.say(line)
    return 0


def _left_out(every: "Sequence[Pair]") -> list[str]:
    """Return what is to be known of songs that have no file."""
    from song_mcp.messages import of_files

    tasks = {task.local_id: task for task, _ in every}
    unsaved = {task.public_id for task, clip in every if not clip.file and not clip.is_gone}
    lines = [f"Left out, not saved: song-mcp get {name}" for name in sorted(unsaved)]
    return [*filter(None, [typed(of_files(list(tasks.values())))]), *lines]


# A playlist ---------------------------------------------------------------------------------


def _playlist(target: Path, pairs: "Sequence[Pair]", overwrite: bool) -> None:  # noqa: FBT001 - a thread's
    lines = ["#EXTM3U"]
    for task, clip in pairs:
        title = clip.title or task.title or task.description
        seconds = -1 if clip.duration_s is None else round(clip.duration_s)
        lines += [f"#EXTINF:{seconds},{' '.join(title.split())}", _address(clip.file, target)]
    text = "".join(f"{line}\n" for line in lines)
    _write(target, text.encode("utf-8", "surrogateescape"), overwrite=overwrite)


def _address(file: Path | None, playlist: Path) -> str:
    """Return a path as a playlist has it: relative if that is below the playlist's folder."""
    if file is None:
        raise ValueError(playlist)  # only saved songs are written
    if file.is_relative_to(playlist.parent):
        return f"./{file.relative_to(playlist.parent).as_posix()}"
    return str(file)


# A folder -----------------------------------------------------------------------------------


def _folder(target: Path, pairs: "Sequence[Pair]", overwrite: bool) -> None:  # noqa: FBT001 - a thread's
    target.mkdir(parents=True, exist_ok=True)
    index = target / INDEX
    if index.exists() and not overwrite:
        raise FileExistsError(17, "File exists", str(index))
    songs = [_copied(target, pair) for pair in pairs]
    text = json.dumps({"songs": songs}, indent=2, ensure_ascii=False) + "\n"
    _write(index, text.encode("utf-8", "backslashreplace"), overwrite=overwrite)


def _copied(target: Path, pair: "Pair") -> dict[str, Any]:
    """Copy a song and what belongs to it; returns what the index tells of it."""
    from song_mcp.server.results import as_json, clip_result, task_result
    from song_mcp.studio import Answer

    task, clip = pair
    file = clip.file
    if file is None:
        raise ValueError(clip.clip_id)  # only saved songs are copied
    stem = safe_stem(file.stem)
    audio = _copy(file, target, stem, file.suffix.casefold())
    files = {"file": audio.name}
    if clip.cover and clip.cover.is_file():
        files["cover"] = _copy(clip.cover, target, audio.stem, clip.cover.suffix.casefold()).name
    if clip.lyrics_file and clip.lyrics_file.is_file():
        files["timed_lyrics"] = _copy(clip.lyrics_file, target, audio.stem, ".lrc").name
    words = task.words(clip) or str(task.request.get("lyrics") or "")
    if words:
        text = f"{words}\n".encode("utf-8", "replace")
        files["lyrics"] = _written(target, audio.stem, ".txt", text).name
    told = as_json(clip_result(task, clip, include_lyrics=False))
    made = as_json(task_result(Answer(task)))
    known = {name: made[name] for name in OF_THE_TASK if name in made}
    left_out = {"file", "lyrics_file", "resource_uri", "audio_url", "image_url", "video_url"}
    known |= {name: value for name, value in told.items() if name not in left_out}
    return {**files, **known, "description": task.description}


OF_THE_TASK = ("task_id", "service", "model", "created_at", "charged", "cost_usd", "rights")


def safe_stem(stem: str) -> str:
    """Return a file's name, without its extension, as no system refuses it."""
    text = unicodedata.normalize("NFC", stem).encode("utf-8", "replace").decode()
    text = REFUSED.sub("_", text).strip(" .") or "song"
    text = f"_{text}" if DEVICES.fullmatch(text) else text
    while len(text.encode()) > STEM_BYTES:
        text = text[:-1].rstrip(" .")
    return text


def _copy(source: Path, folder: Path, stem: str, extension: str) -> Path:
    """Copy a file under a name that is free, or return the one that is the same already."""

    def fill(file: BinaryIO) -> None:
        with source.open("rb") as original:
            shutil.copyfileobj(original, file)

    return _placed(folder, stem, extension, fill, lambda path: cmp(source, path, shallow=False))


def _written(folder: Path, stem: str, extension: str, content: bytes) -> Path:
    """Write a file under a name that is free, or return the one that is the same already."""

    def fill(file: BinaryIO) -> None:
        file.write(content)

    return _placed(folder, stem, extension, fill, lambda path: path.read_bytes() == content)


def _placed(
    folder: Path,
    stem: str,
    extension: str,
    fill: Callable[[BinaryIO], None],
    is_same: Callable[[Path], bool],
) -> Path:
    for number in count(1):
        suffix = "" if number == 1 else f" ({number})"
        path = folder / f"{stem}{suffix}{extension}"
        try:
            _fill_new(path, fill)
        except FileExistsError:
            if path.is_file() and is_same(path):
                return path
            continue
        return path
    raise AssertionError  # there is always another number


def _fill_new(path: Path, fill: Callable[[BinaryIO], None]) -> None:
    """Make a file that is not there yet; half of one is removed."""
    with path.open("xb") as file:
        try:
            fill(file)
            file.flush()
        except BaseException:
            file.close()
            path.unlink(missing_ok=True)
            raise


def _write(path: Path, content: bytes, *, overwrite: bool) -> None:
    """Write a whole file: one that is there is replaced in one step, and only if that is wanted."""

    def fill(file: BinaryIO) -> None:
        file.write(content)

    if not overwrite:
        _fill_new(path, fill)
        return
    whole = path.with_name(f".{path.name}.{os.getpid()}.part")
    _fill_new(whole, fill)
    try:
        whole.replace(path)
    except OSError:
        whole.unlink(missing_ok=True)
        raise
