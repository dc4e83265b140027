"""Canary values for everything secret: after the main flows, with DEBUG on, they are nowhere."""

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from starlette.applications import Starlette

from song_mcp.clock import Clock
from song_mcp.compose import open_studio
from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from song_mcp.sandbox.state import Rules
from song_mcp.server.app import build_server
from song_mcp.settings import Settings
from song_mcp.songs import MODELS, SERVICES, Model
from tests.faults.canaries import (
    ACESTEP_KEY,
    HIDDEN,
    MINIMAX_KEY,
    SIGNATURE,
    SIGNED,
    WEBHOOK_SECRET,
    Echoing,
)
from tests.faults.scale import report, scaled
from tests.faults.stdio import child
from tests.house import environment, uri_of
from tests.voice import beep

Call = Callable[..., Awaitable[dict[str, Any]]]
Read = Callable[[str], Awaitable[object]]

RULES = Rules(
    clip_seconds=0.5,
    extension_seconds=0.5,
    hold_seconds=0.2,
    free_per_minute=100,
    home_key=ACESTEP_KEY,
)
SPEED = 10.0
TROUBLES = {
    "udio": (
        *("fail-10000-logs", "fail-empty-reason", "partial", "odd-text", "songs-early"),
        *("extra-fields", "401", "insufficient-credits", "plan-limit", "500-failed-task"),
        *("html-502", "truncated-json", "half-json", "media-404", "media-html", "reset"),
        *("fetch-html-502", "fetch-reset", "503-maintenance", "200-code-400", "timeout"),
    ),
    "suno-v5": ("html-200", "half-json", "reset", "media-404", "extra-fields", "fetch-half-json"),
    "ace-step": ("fail-10000-logs", "401", "500-no-points", "half-json", "media-404", "reset"),
    "diffrhythm": ("extra-fields", "insufficient-credits", "fetch-half-json"),
    "minimax-3": (
        *("1000-unknown", "1004-key", "1008-balance", "1026-sensitive", "bad-digits", "half-json"),
        *("as-url", "cut-after-audio", "reset", "no-audio"),
    ),
    "minimax-3-free": ("1001-timeout", "2049-key", "half-json"),
    "ace-step-local": ("failure", "429-queue-full", "500-detail", "half-json", "media-404"),
}
LOGGERS = ("httpx", "httpcore", "mcp", "song_mcp", "asyncio", "anyio")


def sandbox(song_seconds: float, clock: Callable[[], float] | None = None) -> Starlette:
    app = build_app(song_seconds, rules=RULES, **({"clock": clock} if clock else {}), press=beep)
    app.add_middleware(Echoing)
    return app


def settings(folder: Path, base_url: str) -> dict[str, str]:
    return environment(folder, base_url) | {
        "MINIMAX_API_KEY": MINIMAX_KEY,
        "ACESTEP_API_KEY": ACESTEP_KEY,
        "ACESTEP_BASE_URL": base_url,
    }


async def flows(call: Call, read: Read) -> list[object]:
    """Make songs, extend one, generate lyrics, fail in every way, and look at everything."""
    produced: list[object] = []
    for model, troubles in TROUBLES.items():
        song = await call("generate_song", description="quay", model=model, wait_seconds=55)
        while not song["clips"]:
            song = await call("get_task", task_id=song["task_id"], wait_seconds=55)
        produced.append(song)
        for tool, arguments in _more(MODELS[model], song["clips"][0]["clip_id"]):
            produced.append(await call(tool, **arguments, wait_seconds=55))
        async with anyio.create_task_group() as group:
            for name in troubles[: scaled(60, least=6)]:
                group.start_soon(_trouble, call, produced, model, name)
        elsewhere = SERVICES[MODELS[model].service].elsewhere_tool or "get_task"
        produced.append(await call(elsewhere, task_id="nobody-knows"))
    produced.append(await call("list_songs", limit=50))
    for task in produced[-1]["tasks"]:  # type: ignore[index]  # a result's own JSON
        produced.append(await call("get_task", task_id=task["task_id"], include_lyrics=True))
        produced.append(await read(f"song://tasks/{task['task_id']}"))
        for clip in task["clips"]:
            if clip["status"] == "completed":
                produced += [
                    await read(uri_of(clip)),
                    await read(uri_of(clip) + "/audio"),
                ]
    return produced


def _more(model: Model, clip_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what else is made with a model: lyrics, an extension, and a cover."""
    if model.can("lyrics_maker"):
        yield "generate_lyrics", {"topic": "rain", "model": model.name}
    if model.can("extend"):
        at = {} if model.takes_audio else {"continue_at_seconds": 0.2}
        yield "extend_song", {"clip_id": clip_id, "description": "slow", "lyrics": "la", **at}
    if model.can("cover"):
        style = {"description": "a slow waltz", "model": model.name}
        yield "cover_song", {"clip_id": "last", **style}
        yield "cover_song", {"clip_id": clip_id, **style}


async def _trouble(call: Call, produced: list[object], model: str, name: str) -> None:
    text = f"[[{name}]] {model}"
    produced.append(await call("generate_song", description=text, model=model, wait_seconds=3))


def hits(texts: Mapping[str, bytes]) -> list[str]:
    """Return the places of canaries, except a clip's own links in results and the journal."""
    found = []
    for name, content in texts.items():
        text = content.decode("utf-8", "replace")
        allowed = SIGNED.sub("", text) if name in {"results", "stdout", "journal"} else text
        for canary in (*HIDDEN, SIGNATURE):
            at = allowed.find(canary)
            found += [f"{name}: {allowed[max(0, at - 200) : at + 60]}"] if at >= 0 else []
    return found


def files(folder: Path) -> dict[str, bytes]:
    """Return every file that was written, the journal by its name of here."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {("journal" if "journal" in p.name else str(p)): p.read_bytes() for p in paths}


def report_places(capsys: pytest.CaptureFixture[str], texts: Mapping[str, bytes]) -> None:
    size = sum(map(len, texts.values()))
    with capsys.disabled():
        report(f"\ncanaries: {len(HIDDEN) + 1} in {len(texts)} places, {size} bytes")


@pytest.mark.first
@pytest.mark.at_size
async def test_no_canary_comes_out_of_a_server_on_stdio(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        running(sandbox(0.3)) as base_url,
        child(settings(tmp_path, base_url), debug=True) as server,
    ):

        async def call(tool: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
            result = await server.call(tool, **arguments)
            return dict(result.get("structuredContent") or result)

        async def read(uri: str) -> object:
            return await server.ask("resources/read", {"uri": uri})

        await flows(call, read)
    texts = {"stdout": b"".join(server.lines), "stderr": server.complaints, **files(tmp_path)}
    report_places(capsys, texts)
    assert SIGNATURE.encode() in texts["stdout"], "the canaries did not get in"
    assert b"DEBUG" in texts["stderr"], "nothing was logged"
    assert hits(texts) == []


@pytest.mark.at_size
async def test_no_canary_comes_out_of_a_server_in_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for name in LOGGERS:
        caplog.set_level(logging.DEBUG, logger=name)
    caplog.set_level(logging.DEBUG)
    clock = Clock(SPEED)
    async with running(sandbox(1.5, lambda: clock.now().timestamp())) as base_url:
        values = Settings(**settings(tmp_path, base_url))  # type: ignore[arg-type]  # by variables
        async with Client(build_server(lambda: open_studio(values, clock))) as client:

            async def call(tool: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
                result = await client.call_tool(tool, arguments)
                everything.append(result)
                return dict(result.structured_content or {"error": str(result.content)})

            async def read(uri: str) -> object:
                try:
                    return await client.read_resource(uri)
                except Exception as error:  # noqa: BLE001 - its text is what is looked at
                    return repr(error)

            everything: list[object] = []
            everything += await flows(call, read)
            everything.append(await client.list_resources())
    said = capsys.readouterr()
    ours = [r for r in caplog.records if not r.name.startswith(("uvicorn", "starlette"))]
    logged = "\n".join(logging.Formatter().format(record) for record in ours)
    texts = {"results": repr(everything).encode(), "log": logged.encode(), **files(tmp_path)}
    texts |= {"printed": (said.out + said.err).encode()}
    report_places(capsys, texts)
    assert hits(texts) == []


def test_the_search_finds_canaries() -> None:
    """A positive control: canaries would be found."""
    signed = f"https://cdn.example/a.mp3?sig={SIGNATURE}"
    assert hits({"results": signed.encode(), "journal": signed.encode()}) == []
    assert len(hits({"log": signed.encode(), "x.mp3": WEBHOOK_SECRET.encode()})) == 2
