"""Cases: what a service answers, what a client calls, and what must come of it; README.md tells.

Reading a case raises ValueError for anything that the form does not know.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self, get_args

from song_mcp.songs import ServiceName

Json = Any
Table = Mapping[str, Any]
How = Literal["length", "chunked", "close", "gzip", "206", "rangeonly", "cut", "drop"]

KINDS = Path(__file__).with_name("kinds")
TASK_IDS: Mapping[ServiceName, str] = {
    "gptge": "aaaaaaaa-0000-4000-8000-00000000000a",
    "piapi": "dddddddd-0000-4000-8000-00000000000a",
}


@dataclass(frozen=True)
class Answer:
    """One answer of the service: its content is one of `body`, `task`, `clips` and `file`."""

    body: str | bytes | None = None
    """What is sent as it stands."""
    task: Json = None
    """Fields that replace those of an ordinary finished task."""
    clips: Json = None
    """For each clip of an ordinary finished task, the fields that replace its own."""
    file: str = ""
    """The name of an audio file of `audio.py`."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """The seconds until it is sent."""
    how: How = "length"
    needs_ua: str = ""
    needs_accept: str = ""

    @classmethod
    def read(cls, written: str | Table) -> Self:
        """Read an answer as it stands in a case; a text alone is the body."""
        if isinstance(written, str):
            return cls(body=written)
        _check(written, {each.name for each in fields(cls)}, "an answer")
        known = dict(written)
        for name in {"task", "clips"} & known.keys():
            known[name] = json.loads(known[name])
        if known.get("how", "length") not in get_args(How):
            raise ValueError(f"how must be one of {get_args(How)}, not {known['how']}")
        if "clips" in known:
            _check_clips(known["clips"])
        return cls(**known)


@dataclass(frozen=True)
class Script:
    """What the service answers, each list in turn, and then always its last answer."""

    submit: Sequence[Answer] = ()
    """To paid requests; with none, they are accepted as usual."""
    looks: Sequence[Answer] = ()
    """To looks at tasks; with none, an ordinary finished task."""
    paths: Mapping[str, Sequence[Answer]] = field(default_factory=dict)
    """To anything else, by its path; /media/<number>.mp3 is a song if it is not here."""

    @classmethod
    def read(cls, written: Table) -> Self:
        return cls(
            submit=[Answer.read(each) for each in written.get("submit", ())],
            looks=[Answer.read(each) for each in written.get("looks", ())],
            paths={
                path: [Answer.read(each) for each in answers]
                for path, answers in written.get("paths", {}).items()
            },
        )


@dataclass(frozen=True)
class Step:
    """One thing that happens, `after` so many seconds: the one of its fields that is given."""

    tool: str = ""
    prompt: str = ""
    args: Mapping[str, Json] = field(default_factory=dict)
    sql: str = ""
    script: Script | None = None
    after: float = 0.0

    @classmethod
    def read(cls, written: Table) -> Self:
        _check(written, {each.name for each in fields(cls)}, "a step")
        known = dict(written)
        if "script" in known:
            _check(known["script"], {"submit", "looks", "paths"}, "a script")
            known["script"] = Script.read(known["script"])
        return cls(**known)


@dataclass(frozen=True)
class Expected:
    """What must be true at the end; what is None is not looked at."""

    status: str | None = None
    not_status: str | None = None
    is_error: bool | None = None
    charged: Sequence[str] | None = None
    files: int | None = None
    clips: int | None = None
    clip_ids: Sequence[str] | None = None
    posts: int | None = None
    looks: int | None = None
    within_s: float | None = None
    json_has: Sequence[str] = ()
    text_has: Sequence[str] = ()
    text_not: Sequence[str] = ()
    or_text_not: Sequence[str] | None = None

    @classmethod
    def read(cls, written: Table) -> Self:
        _check(written, {each.name for each in fields(cls)}, "what is expected")
        return cls(**written)


@dataclass(frozen=True)
class Case:
    """A condition that somebody met, and the right outcome."""

    name: str
    """The kind, a slash, and what is special about it."""
    right: str
    source: str
    service: ServiceName
    script: Script
    steps: Sequence[Step]
    expect: Expected
    task_id: str
    settings: Mapping[str, str]

    @classmethod
    def read(cls, name: str, written: Table) -> Self:
        """Read a case as it stands in a file."""
        own = {"right", "source", "service", "steps", "expect", "task_id", "settings"}
        _check(written, own | {"submit", "looks", "paths"}, f"the case {name}")
        for needed in ("right", "source", "expect"):
            if not written.get(needed):
                raise ValueError(f"the case {name} needs the key {needed}")
        service: ServiceName = written.get("service", "gptge")
        return cls(
            name=name,
            right=written["right"],
            source=written["source"],
            service=service,
            script=Script.read(written),
            steps=[Step.read(each) for each in written.get("steps", [{"tool": "generate_song"}])],
            expect=Expected.read(written["expect"]),
            task_id=written.get("task_id", TASK_IDS[service]),
            settings=written.get("settings", {}),
        )


def own_cases() -> list[Case]:
    """Return the cases of this folder, by kind."""
    return [
        Case.read(f"{file.stem}/{name}", written)
        for file in sorted(KINDS.glob("*.toml"))
        for name, written in tomllib.loads(file.read_text(encoding="utf-8")).items()
    ]


def _check(written: Table, known: set[str], what: str) -> None:
    if unknown := written.keys() - known:
        raise ValueError(f"{what} has no {', '.join(sorted(unknown))}")


def _check_clips(clips: Json) -> None:
    if not isinstance(clips, list) or not all(isinstance(clip, dict) for clip in clips):
        raise ValueError("clips must be a list of objects")
