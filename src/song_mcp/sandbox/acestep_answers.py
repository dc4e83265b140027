"""What ACE-Step's server answers: tasks with their takes, errors, and how markers change them.

Shapes and texts are those of docs/providers.md, chapter 10. Ids, seeds and numbers are this
sandbox's own.
"""

import json as jsonlib
from urllib.parse import quote

from starlette.responses import JSONResponse, Response

from song_mcp.sandbox.markers import COMMON, Row, Table, View, with_twins
from song_mcp.sandbox.media_markers import MEDIA
from song_mcp.sandbox.songs import Clip
from song_mcp.sandbox.tasks import Json, Stage, Task

AUDIO_PATH = "/v1/audio"
FOLDER = "/srv/api_audio"
NO_VOICE = "[Instrumental]"
_DIT, _LM = "acestep-v15-turbo", "acestep-5Hz-lm-0.6B"
_REASON = "CUDA out of memory"
_PROGRESS = {Stage.RUNNING: 0.25, Stage.STREAMING: 0.75}


def envelope(data: object, now: float) -> Json:
    """Wrap data as every successful answer does."""
    stamp = int(now * 1000)
    return {"data": data, "code": 200, "error": None, "timestamp": stamp, "extra": None}


def refused(status: int, detail: str) -> JSONResponse:
    """Answer with an error."""
    return JSONResponse({"detail": detail}, status)


def task_json(view: View) -> Json:
    """Show a task as `/query_result` does; `result` is a list, which is packed at the end."""
    task, has_ended = view.task, view.stage is Stage.ENDED
    if not has_ended:
        stage = "running" if view.stage >= Stage.RUNNING else "queued"
        takes = [_going(task, 0, stage) | {"progress": _PROGRESS.get(view.stage, 0.0)}]
    elif task.fails:
        takes = [_going(task, 2, "failed") | {"error": _REASON}]
    else:
        takes = [_take(task, clip) for clip in task.clips]
    return {"task_id": task.id, "result": takes, "status": takes[0]["status"]}


def packed(shown: Json) -> Json:
    """Return a task with its result as JSON in a text."""
    return shown | {"result": jsonlib.dumps(shown["result"])}


def unknown(task_id: str) -> Json:
    """Show a task that the server does not have, which looks like one that runs."""
    return {"task_id": task_id, "result": "[]", "status": 0}


def _going(task: Task, status: int, stage: str) -> Json:
    created = int(task.submitted_at)
    return {
        "file": "",
        "wave": "",
        "status": status,
        "create_time": created,
        "env": "development",
        "progress": 0.0,
        "stage": stage,
    }


def _take(task: Task, clip: Clip) -> Json:
    metas = {
        "bpm": 90,
        "duration": round(clip.duration_s),
        "genres": clip.tags[0] if clip.tags else "",
        "keyscale": "C Major",
        "timesignature": "4",
    }
    return _going(task, 1, "succeeded") | {
        "file": f"{AUDIO_PATH}?path={quote(f'{FOLDER}/{clip.id}.mp3', safe='')}",
        "prompt": clip.style,
        "lyrics": clip.lyrics or NO_VOICE,
        "metas": metas,
        "generation_info": "",
        "seed_value": ",".join(map(str, seeds(task))),
        "lm_model": _LM,
        "dit_model": _DIT,
        "progress": 1.0,
    }


def seeds(task: Task) -> list[int]:
    """Return a seed for each take: what was asked for and on from there, or some of our own."""
    asked = task.body.get("seed", -1)
    first = asked if asked != -1 else int(task.id[:6], 16)
    return [first + number for number in range(len(task.clips))]


def _no_reason(json: Json, _view: View) -> Json:
    for take in json["result"]:
        take.pop("error", None)
    return json


def _partial(json: Json, view: View) -> Json:
    """Give no file of the second take."""
    if view.stage is Stage.ENDED and len(json["result"]) > 1:
        json["result"][1]["file"] = ""
    return json


def _no_audio(json: Json, view: View) -> Json:
    for take in json["result"] if view.stage is Stage.ENDED else ():
        take["file"] = ""
    return json


def _forgotten(json: Json, view: View) -> Json:
    """Not know the task any more after the first look, as after a restart."""
    return json if view.task.looks <= 1 else json | {"result": [], "status": 0}


def _queue_full(_argument: str) -> Response:
    return refused(429, "Server busy: queue is full")


LOST_FIRST = "lost-first"
"""Loses the answer to the first of equal submissions, or to as many as the argument says."""
_OWN: Table = {
    LOST_FIRST: Row(),
    "failure": Row(fails=True),
    "fail-empty-reason": Row(fails=True, shape=_no_reason),
    "partial": Row(shape=_partial),
    "empty-songs-completed": Row(shape=_no_audio),
    "forgotten": Row(shape=_forgotten),
    "429-queue-full": Row(refuse=_queue_full),
    "500-detail": Row(refuse=lambda _: refused(500, "Internal server error")),
}
_FILES = {name: row for name, row in MEDIA.items() if name != "media-expires"}
MARKERS = with_twins({**COMMON, **_FILES, **_OWN})
"""All markers that ACE-Step's side knows."""
