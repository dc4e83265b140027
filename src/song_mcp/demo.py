"""The demo: makes songs from end to end with a sandbox, a server as a child, and the SDK's client.

The demo talks to the server only over stdio, as any client would. It ends with status 0 only if
every step succeeded: a song made with each service, one of them saved though its first links were
refused, one extended and joined with its extension, one made in another style, all found again, a
clip's resources read, and the audio in them equal to the file in the library.
"""

import base64
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError
from mcp.types import BlobResourceContents, TextResourceContents
from tqdm import tqdm

from song_mcp.errors import SongError
from song_mcp.sandbox.app import STANDS_IN_FOR, Sandbox, Task, build_app
from song_mcp.sandbox.serve import running
from song_mcp.songs import SERVICES, Model, preferred

Json = dict[str, Any]

WAIT_S = 20
SONG_DEADLINE_S = 300
SONG_S = 20.0
"""How long songs are made, where that can be asked for."""
LATE = "[[media-expires]]"
"""The marker that makes the sandbox refuse the links of its first look at an ended task."""
DEMO_LYRICS = "[Verse]\nTrams at noon, the bells go by\n[Chorus]\nRing me home under a paper sky\n"


class DemoError(SongError):
    """A step of the demo failed."""


@dataclass(frozen=True)
class Made:
    """A song that was made, as the last table shows it."""

    service: str
    model: str
    clips: int
    length: str
    cost: str
    file: Path

    @property
    def cells(self) -> tuple[str, ...]:
        """Its row, without the file."""
        return (self.service, self.model, str(self.clips), self.length, self.cost)


@dataclass
class Demo:
    """One run: the client, the progress bar, the steps done so far, the songs and other files."""

    client: Client
    bar: "tqdm[Any]"
    steps: list[tuple[str, str]] = field(default_factory=list)
    songs: list[Made] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    async def song(self, label: str, tool: str, arguments: Json) -> Json:
        """Make a song with a paid tool and wait for its end, as an assistant would."""
        task = await self._call(label, tool, arguments | {"wait_seconds": WAIT_S})
        begun, looked = time.monotonic(), False
        is_late = LATE in arguments.get("description", "")
        while not (_has_arrived(task) if is_late else _has_ended(task, looked=looked)):
            if time.monotonic() - begun > SONG_DEADLINE_S:
                how = task.get("note") or task["status"]
                raise DemoError(f"{label}: after {SONG_DEADLINE_S} s still this: {how}")
            again = {"task_id": task["task_id"], "wait_seconds": WAIT_S}
            task, looked = await self._call(label, "get_task", again), True
        clips = _finished_clips(label, task)
        made = _made(task, clips)
        self.songs.append(made)
        self.files += [Path(clip["file"]) for clip in clips[1:]]
        self.done(label, f"{made.clips} clip{'s' * (made.clips > 1)}, {made.length}, {made.cost}")
        return task

    def came_late(self, made: Task | None, clips: int) -> None:
        """Say how often the sandbox refused the links of a song before it was saved."""
        asked = 0 if made is None else made.audio_requests
        if made is None or asked <= clips or made.looks_after_end < 2:  # noqa: PLR2004
            raise DemoError("a song that arrives late: its links should have been refused at first")
        self.done(
            "a song that arrives late",
            f"its first links were refused ({asked - clips} times); a later look had good ones",
        )

    async def _call(self, label: str, tool: str, arguments: Json) -> Json:
        async def show(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001
            self.bar.set_description(f"{label}: {message or tool}, {progress:.0f} s")

        result = await self.client.call_tool(tool, arguments, progress_callback=show)
        if result.is_error or result.structured_content is None:
            raise DemoError(f"{label}: {_text_of(result.content)}")
        return dict(result.structured_content)

    async def join(self, clip: Json) -> None:
        """Join a song with its extension."""
        whole = await self._call("join_song", "join_song", {"clip_id": clip["clip_id"]})
        file = anyio.Path(whole["file"])
        if len(whole["parts"]) < 2 or not await file.is_file():  # noqa: PLR2004 - it was joined
            raise DemoError("join_song: nothing was joined")
        self.files.append(Path(file))
        length = f"{round(whole['duration_seconds'], 1):g} s"
        self.done("join_song", f"{len(whole['parts'])} parts, {length}, free")

    async def listed(self, expected: int) -> None:
        """Find every song again in the journal and in the list of resources."""
        songs = await self._call("list", "list_songs", {})
        resources = (await self.client.list_resources()).resources
        clips = [item for item in resources if item.uri.startswith("song://clips/")]
        if songs["total"] != expected or not clips:
            raise DemoError(f"list: {songs['total']} tasks instead of {expected}")
        self.done("list_songs and resources", f"{songs['total']} tasks, {len(clips)} clips")

    async def read(self, clip: Json, folder: Path) -> None:
        """Read a clip's two resources, and save the audio that they hold in `folder`."""
        uri = clip["resource_uri"]
        about, audio = await self._contents(uri), await self._contents(f"{uri}/audio")
        if not isinstance(about, TextResourceContents) or clip["clip_id"] not in about.text:
            raise DemoError(f"{uri}: not the clip that was asked for")
        if not isinstance(audio, BlobResourceContents):
            raise DemoError(f"{uri}/audio: no audio")
        content = base64.b64decode(audio.blob)
        copy = anyio.Path(folder / "from-resource.mp3")
        await copy.write_bytes(content)
        if content != await anyio.Path(clip["file"]).read_bytes():
            raise DemoError(f"{uri}/audio: not the bytes of {clip['file']}")
        self.files.append(Path(copy))
        self.done("read a clip's resources", f"{audio.mime_type}, {len(content):,} bytes")

    async def _contents(self, uri: str) -> TextResourceContents | BlobResourceContents:
        return (await self.client.read_resource(uri)).contents[0]

    def done(self, step: str, what: str) -> None:
        """Note a step that succeeded."""
        self.steps.append((step, what))
        self.bar.update()


STEPS = len(STANDS_IN_FOR) + 7


def run(folder: Path, *, song_seconds: float) -> int:
    """Run the demo in `folder`; the sandbox takes `song_seconds` seconds for a song.

    Return the exit status: 0 if every step succeeded, else 1.
    """
    failures: list[Exception] = []
    try:
        anyio.run(_show, folder, song_seconds)
    except* (SongError, MCPError) as group:
        failures = _leaves(group)
    for failure in failures:
        print(f"The demo failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


async def _show(folder: Path, song_seconds: float) -> None:
    await anyio.Path(folder).mkdir(parents=True, exist_ok=True)
    app = build_app(song_seconds)
    async with running(app) as base_url:
        with tqdm(total=STEPS, desc="starting", unit="step", leave=False) as bar:
            async with _client(base_url, folder) as client:
                demo = Demo(client, bar)
                await _main_job(demo, folder, app.state.sandbox)
    _print_table(demo, folder)


async def _main_job(demo: Demo, folder: Path, sandbox: Sandbox) -> None:
    before = (await demo.client.call_tool("list_songs", {})).structured_content or {}
    tools = (await demo.client.list_tools()).tools
    demo.done("connect over stdio", f"{len(tools)} tools")
    songs = {name: await _song_of(demo, SERVICES[name].default_model) for name in STANDS_IN_FOR}
    suno = songs["gptge"]
    demo.came_late(sandbox.gptge.task(suno["task_id"]), len(suno["clips"]))
    clip = suno["clips"][0]
    longer = await demo.song(
        "extend_song",
        "extend_song",
        {"clip_id": clip["clip_id"], "description": "the bells fade out", "another_take": True},
    )
    await demo.join(longer["clips"][0])
    maker = preferred((SERVICES[name] for name in STANDS_IN_FOR), "cover")
    await demo.song(
        f"cover_song with {maker.name}",
        "cover_song",
        {
            "clip_id": clip["clip_id"],
            "description": "ska, brass",
            "title": "Trams at Noon, with Brass",
            "model": maker.name,
            "another_take": True,
        },
    )
    await demo.listed(before.get("total", 0) + len(songs) + 2)
    await demo.read(clip, folder)


async def _song_of(demo: Demo, model: Model) -> Json:
    """Make a song with a model; that of gpt.ge arrives late."""
    late = f" {LATE}" if model.service == "gptge" else ""
    arguments: Json = {
        "lyrics": DEMO_LYRICS,
        "description": f"cheerful indie pop, bells{late}",
        "title": "Trams at Noon",
        "model": model.name,
        "another_take": True,
    }
    if model.durations is not None:
        arguments["duration_seconds"] = max(SONG_S, model.durations[0])
    return await demo.song(f"generate_song with {model.name}", "generate_song", arguments)


@asynccontextmanager
async def _client(base_url: str, folder: Path) -> AsyncIterator[Client]:
    environment = {
        **{SERVICES[name].key_variable: "sandbox" for name in STANDS_IN_FOR},
        **{name: base_url for service in STANDS_IN_FOR for name in SERVICES[service].addresses},
        "SONG_MCP_HOME": str(folder / "journal"),
        "SONG_MCP_LIBRARY": str(folder / "library"),
    }
    server = StdioServerParameters(command=sys.executable, args=["-m", "song_mcp"], env=environment)
    async with Client(server) as client:
        yield client


def _has_ended(task: Json, *, looked: bool) -> bool:
    """Tell whether a task ended and is saved, or `looked` at says why it is not saved."""
    if task["status"] != "completed":
        return bool(task["status"] == "failed")
    return _is_saved(task) or (looked and bool(task.get("note")))


def _has_arrived(task: Json) -> bool:
    return _is_saved(task) or task["status"] == "failed"


def _is_saved(task: Json) -> bool:
    clips = task["clips"]
    return task["status"] == "completed" and bool(clips) and all(clip.get("file") for clip in clips)


def _finished_clips(label: str, task: Json) -> list[Json]:
    clips: list[Json] = [clip for clip in task["clips"] if clip.get("file")]
    if task["status"] != "completed" or not clips:
        raise DemoError(f"{label}: {task.get('error') or task.get('note') or task['status']}")
    missing = [clip["file"] for clip in clips if not Path(clip["file"]).is_file()]
    if missing:
        raise DemoError(f"{label}: {missing[0]} is not there")
    return clips


def _made(task: Json, clips: list[Json]) -> Made:
    service, model = SERVICES[task["service"]], SERVICES[task["service"]].model(task["model"])
    lengths = [f"{round(clip['duration_seconds'], 1):g}" for clip in clips]
    cost = f"${task['cost_usd']:g}" if "cost_usd" in task else "not told"
    return Made(
        service.label,
        task["model"],
        len(clips),
        f"{' + '.join(lengths)} s",
        "free" if model is not None and model.is_free else cost,
        Path(clips[0]["file"]),
    )


HEAD = ("service", "model", "clips", "length", "cost")


def _print_table(demo: Demo, folder: Path) -> None:
    width = max(len(step) for step, _ in demo.steps)
    print("\nWhat was done, against the sandbox: no key, no money.\n")
    for step, what in demo.steps:
        print(f"  {step:<{width}}  {what}")
    print("\nThe songs:\n")
    rows = [HEAD, *(song.cells for song in demo.songs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    for row, file in zip(rows, ["file", *(song.file for song in demo.songs)], strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("  " + "  ".join([*cells, str(file)]))
    print(f"\nThe journal is {folder / 'journal'}; also made:\n")
    for other in demo.files:
        print(f"  {other}")


def _text_of(content: list[Any]) -> str:
    return " ".join(getattr(block, "text", "") for block in content)


def _leaves(group: BaseExceptionGroup[Exception]) -> list[Exception]:
    """Return the single failures inside nested groups."""
    found: list[Exception] = []
    for inner in group.exceptions:
        found += _leaves(inner) if isinstance(inner, BaseExceptionGroup) else [inner]
    return found
