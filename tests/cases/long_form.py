"""Cases of other people, one JSON file each with everything written out, read as ours.

Their answers are JSON bodies, or objects with the keys of an answer; `media` are our `paths`, and
what is not known is left out (`kind`, `label` and the like).
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cases.case import Case

Json = Any

OF_ANSWERS = {"body", "status", "headers", "file", "b64", "raw", "delay", "how"}
NEEDS = {"needs_ua", "needs_accept"}
OF_CASES = {"right", "source", "service", "submit", "looks", "steps", "expect", "task_id"}


def cases_in(folder: Path) -> list[Case]:
    """Return the cases of a folder, in which a folder `bytes` may hold their files."""
    return [
        Case.read(file.stem, _case(json.loads(file.read_text(encoding="utf-8")), folder))
        for file in sorted(folder.glob("*.json"))
    ]


def _case(written: dict[str, Json], folder: Path) -> dict[str, Json]:
    known = {key: value for key, value in written.items() if key in OF_CASES}
    known |= {"right": written.get("right") or "?", "source": written.get("source") or "?"}
    known["steps"] = [_step(step, folder) for step in written.get("steps") or [_ordinary(written)]]
    return known | _script(written, folder)


def _ordinary(written: Mapping[str, Json]) -> Json:
    model = "udio" if written.get("service") == "piapi" else "suno-v5"
    args = {"description": "x", "model": model, "wait_seconds": 12}
    return {"tool": "generate_song", "args": args}


def _step(step: dict[str, Json], folder: Path) -> dict[str, Json]:
    scripted = {"script": _script(step["script"], folder)} if "script" in step else {}
    return step | scripted


def _script(written: Mapping[str, Json], folder: Path) -> dict[str, Json]:
    media = {**written.get("media", {}), **written.get("paths", {})}
    return {
        "submit": [_answer(each, folder) for each in written.get("submit", ())],
        "looks": [_answer(each, folder) for each in written.get("looks", ())],
        "paths": {
            path: [_answer(each, folder) for each in answers] for path, answers in media.items()
        },
    }


def _answer(written: Json, folder: Path) -> dict[str, Json]:
    if isinstance(written, dict) and written.keys() == {"task"}:
        return {"task": json.dumps(written["task"])}
    if not isinstance(written, dict) or not _is_answer(written):
        return {"body": json.dumps(written, ensure_ascii=False)}
    known = {key: written[key] for key in ("status", "headers", "delay", "how") if key in written}
    known |= {key: written[key] for key in NEEDS if key in written}
    known["headers"] = {name: str(value) for name, value in known.get("headers", {}).items()}
    if "task" in written:
        return known | {"task": json.dumps(written["task"])}
    return known | {"body": _body(written, folder)}


def _is_answer(written: Mapping[str, Json]) -> bool:
    """Tell an answer from the body of one: it has none but the keys of answers, and a content."""
    contents = {"body", "file", "b64", "task", "how"}
    if written.keys() & contents:
        return not written.keys() - OF_ANSWERS - NEEDS - {"task"}
    return isinstance(written.get("status"), int) and not written.keys() - OF_ANSWERS - NEEDS


def _body(written: Mapping[str, Json], folder: Path) -> str | bytes:
    if "file" in written:
        return (folder / "bytes" / str(written["file"])).read_bytes()
    if "b64" in written:
        return base64.b64decode(written["b64"])
    body = written.get("body", "")
    if isinstance(body, str) and (written.get("raw") or not body):
        return body
    return json.dumps(body, ensure_ascii=False)
