"""The forms in which the services of a family say the same: each song is told in one of them.

A form is chosen by the number of a song, so that equal runs have equal forms, and all looks at a
song have the same one.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Json = dict[str, Any]
Form = Callable[[Any], Any]

PLAIN = 0
"""The number of the form that the services' own pages show."""


# Answers to paid requests ------------------------------------------------------------------------

ACCEPTED: Sequence[Callable[[str], Json]] = (
    lambda task_id: {"code": "success", "message": "", "data": task_id},
    lambda task_id: {"code": "success", "message": "", "data": {"task_id": task_id}},
    lambda task_id: {"code": 200, "message": "success", "data": {"taskBatchId": task_id}},
    lambda task_id: {"success": True, "task_id": task_id, "trace_id": "t"},
    lambda task_id: {"code": 1, "description": "ok", "result": task_id},
    lambda task_id: {"code": "success", "message": "", "data": [{"task_id": task_id}]},
    lambda task_id: {"code": "success", "data": json.dumps({"task_id": task_id})},
    lambda task_id: {"id": task_id, "status": "submitted", "clips": []},
)
"""How gpt.ge and its relatives say that they have accepted a song."""


# Clips -------------------------------------------------------------------------------------------


def _camel(clip: Json) -> Json:
    return {
        "id": clip["id"],
        "title": clip["title"],
        "audioUrl": clip["audio_url"],
        "streamAudioUrl": f"{clip['audio_url']}/preview" if clip["audio_url"] else "",
        "imageUrl": "",
        "modelName": "chirp-crow",
    }


def _item(clip: Json) -> Json:
    return {
        "id": "12794443",
        "clipId": clip["id"],
        "title": clip["title"],
        "cld2AudioUrl": clip["audio_url"],
        "progress": 100,
    }


def _named(clip: Json) -> Json:
    return {"clip_id": clip["id"]} | {key: value for key, value in clip.items() if key != "id"}


def _by_id(clips: Sequence[Json]) -> Mapping[str, Json]:
    return {clip["id"]: {"title": clip["title"], "audio_url": clip["audio_url"]} for clip in clips}


CLIPS: Sequence[Form] = (
    lambda clips: clips,
    json.dumps,
    lambda clips: {"clips": clips},
    lambda clips: {"clips": _by_id(clips)},
    lambda clips: {"taskBatchId": "1", "items": [_item(clip) for clip in clips]},
    lambda clips: {"response": {"sunoData": [_camel(clip) for clip in clips]}},
    lambda clips: {"sunoData": [_camel(clip) for clip in clips]},
    lambda clips: [_camel(clip) for clip in clips],
    lambda clips: [_named(clip) for clip in clips],
    lambda clips: [clip | {"status": "streaming"} for clip in clips],
)
"""How they list the clips of a task that has ended."""

RUNNING: Sequence[Any] = (None, [], {"message": ""}, "", "[]", {"clips": []})
"""What stands in the place of clips before the end."""

SUCCEEDED = ("SUCCESS", "success", "complete", "SUCCESS")
FAILED = ("FAILURE", "FAIL", "expired", "CREATE_TASK_FAILED", "SENSITIVE_WORD_ERROR", "TIMEOUT")
WORKS = ("IN_PROGRESS", "QUEUED", "TEXT_SUCCESS", "running")

OUTPUTS: Sequence[Form] = (lambda output: output, json.dumps)
"""How PiAPI puts what came of a task."""


def chosen(forms: Sequence[Any], number: int) -> Any:  # noqa: ANN401 - whatever the forms are
    """Return the form of the song with this number."""
    return forms[number % len(forms)]
