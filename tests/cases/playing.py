"""How a case is played: a real server, the service of the case on loopback, a client's calls."""

import json
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from song_mcp.songs import LONGEST_WAIT_S
from tests.cases.case import Case, Expected, Step
from tests.cases.service import CaseService, playing
from tests.faults.harness import Home, Nursery, Server, started
from tests.limits import HANGS_S

Json = Any

AUDIO = frozenset(
    {".mp3", ".wav", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".mp4", ".aac", ".webm"}
    | {".aif", ".aiff", ".mka", ".mov", ".wma", ".bin"}
)
WAIT_S = LONGEST_WAIT_S
"""What a call may wait unless the case says so: it returns as soon as it can."""
PATIENCE_S = 60.0
"""How long, in seconds, a case that is not right yet is looked at again: a machine may be busy."""
STUFFED = re.compile(r"@(\d+) (.)@")
"""In an argument, as in @500 e@: the character, so many times."""


class RefusedError(Exception):
    """The last call was refused, which the case does not expect: a mistake in the case, mostly."""


@dataclass(frozen=True)
class CaseHome(Home):
    """The folder of one server, with the settings of its case."""

    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a server that knows no place for uploads, unless the case names one."""
        return super().environment | {"PIAPI_UPLOAD_URL": ""} | dict(self.settings)


@dataclass
class Outcome:
    """What came of a case: the last answer, what the service counted, and what was saved."""

    text: str = ""
    task: Json = None
    """The structured content of the last answer."""
    is_error: bool = False
    took_s: float = 0.0
    posts: int = 0
    looks: int = 0
    files: list[str] = field(default_factory=list)

    def take(self, text: str, result: Mapping[str, Json]) -> None:
        self.text = text
        self.task = result.get("structuredContent") or {}
        self.is_error = bool(result.get("isError"))

    def count(self, service: CaseService, folder: Path) -> None:
        """Count what the service was asked, and what is in the library."""
        self.posts, self.looks = service.posts, service.looks
        paths = (folder / "library").rglob("*")
        self.files = sorted(path.name for path in paths if path.suffix in AUDIO)

    def wrongs(self, expected: Expected) -> Iterator[str]:
        """Yield a sentence for everything that is not as it is expected."""
        yield from self._wrong_words(expected)
        clips = self.task.get("clips", [])
        found: dict[str, Json] = {
            "status": self.task.get("status"),
            "is_error": self.is_error,
            "clips": len(clips),
            "clip_ids": [clip.get("clip_id") for clip in clips],
            "files": len(self.files),
            "posts": self.posts,
            "looks": self.looks,
        }
        for name, value in found.items():
            if (right := getattr(expected, name)) is not None and value != right:
                yield f"{name} is {value}, not {right}"
        if expected.charged is not None and self.task.get("charged") not in expected.charged:
            yield f"charged is {self.task.get('charged')}, not one of {expected.charged}"
        if expected.not_status is not None and found["status"] == expected.not_status:
            yield f"status is {expected.not_status}"
        if expected.within_s is not None and self.took_s > expected.within_s:
            yield f"the calls took {self.took_s:.1f} s, more than {expected.within_s}"

    def _wrong_words(self, expected: Expected) -> Iterator[str]:
        for pattern in expected.text_has:
            if not re.search(pattern, self.text):
                yield f"the text has no {pattern!r}"
        for pattern in expected.text_not:
            if re.search(pattern, self.text):
                yield f"the text has {pattern!r}"
        for pattern in expected.json_has:
            if not re.search(pattern, json.dumps(self.task, ensure_ascii=False)):
                yield f"the structured content has no {pattern!r}"

    def is_right(self, expected: Expected) -> bool:
        """Tell whether all is as expected, or at least what is told in place of it."""
        if not list(self.wrongs(expected)):
            return True
        instead = expected.or_text_not
        return instead is not None and not any(re.search(each, self.text) for each in instead)

    def told(self, case: Case) -> str:
        """Return what a reader of a failed case wants to know."""
        wrongs = "; ".join(self.wrongs(case.expect))
        return f"{case.right}\nbut {wrongs}\n{self.text}\n{self}"


async def play(case: Case, folder: Path, nursery: Nursery) -> Outcome:
    """Play a case from its first step to its last."""
    outcome = Outcome()
    async with playing(case) as service:
        home = CaseHome(folder, service.base_url, nursery, settings=case.settings)
        async with started(home) as server:
            await server.hello()
            begun = time.monotonic()
            for step in case.steps:
                await anyio.sleep(step.after)
                await _take(step, case, service, server, home, outcome)
            outcome.took_s = time.monotonic() - begun
            outcome.count(service, folder)
            while not outcome.is_right(case.expect) and time.monotonic() < begun + PATIENCE_S:
                if not (task_id := outcome.task.get("task_id")) or outcome.is_error:
                    break
                await _take(_again(task_id), case, service, server, home, outcome)
                outcome.count(service, folder)
            if outcome.is_error and not outcome.task and not case.expect.is_error:
                raise RefusedError(outcome.text)
            await server.hang_up()
            await server.ended()
    return outcome


def _again(task_id: str) -> Step:
    return Step(tool="get_task", args={"task_id": task_id, "wait_seconds": 1})


async def _take(
    step: Step, case: Case, service: CaseService, server: Server, home: Home, outcome: Outcome
) -> None:
    if step.script is not None:
        service.follow(step.script)
    elif step.sql:
        with closing(sqlite3.connect(home.journal, timeout=HANGS_S)) as journal, journal:
            journal.execute(step.sql)
    elif step.prompt:
        result = await server.ask("prompts/get", name=step.prompt, arguments=dict(step.args))
        messages = result.get("messages", [])
        outcome.take("\n".join(each["content"].get("text", "") for each in messages), result)
    else:
        arguments = _ordinary(step.tool, case) | {
            name: _stuffed(value, case) for name, value in step.args.items()
        }
        call = await server.call(step.tool, **arguments)
        result = call.result or {}
        told = [part.get("text", "") for part in result.get("content", [])]
        outcome.take("\n".join(told), result)


def _ordinary(tool: str, case: Case) -> dict[str, Json]:
    """Return the arguments that a call has unless the case says otherwise."""
    model = "udio" if case.service == "piapi" else "suno-v5"
    match tool:
        case "generate_song":
            return {"description": "x", "model": model, "wait_seconds": WAIT_S}
        case "generate_lyrics":
            return {"topic": "x", "model": model, "wait_seconds": WAIT_S}
        case "extend_song":
            return {"clip_id": "last", "description": "more", "wait_seconds": WAIT_S}
        case "get_task":
            return {"task_id": case.task_id, "wait_seconds": WAIT_S}
        case _:
            return {}


def _stuffed(value: Json, case: Case) -> Json:
    """Put in the task's id, and make the long texts."""
    if not isinstance(value, str):
        return value
    stuffed = STUFFED.sub(lambda found: found[2] * int(found[1]), value)
    return stuffed.replace("@TASK@", case.task_id)
