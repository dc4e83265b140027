"""What the sandbox's tests share: a clock turned by hand, requests, and a comparison of shapes."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from mutagen.mp3 import MPEGInfo

Json = dict[str, Any]

EXAMPLES = Path(__file__).parent.parent / "examples"


class Clock:
    """Unix seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1_746_503_127.533817880

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def example(name: str) -> Json:
    """A recorded or documented body, by its path without the ending."""
    content = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def udio(description: str = "folk, warm", **more: object) -> Json:
    """A PiAPI submission."""
    given = {"gpt_description_prompt": description, "lyrics_type": "generate", "seed": -1}
    return {"model": "music-u", "task_type": "generate_music", "input": given | more}


def udio_lyrics(topic: str = "harbour at night") -> Json:
    return {"model": "music-u", "task_type": "generate_lyrics", "input": {"prompt": topic}}


def suno(description: str = "cheerful weekend song") -> Json:
    """A gpt.ge submission in inspiration mode."""
    return {"gpt_description_prompt": description, "mv": "chirp-v4", "make_instrumental": False}


async def create(http: httpx.AsyncClient, body: Json) -> str:
    """Submit at PiAPI, where it must be accepted; returns the task id."""
    response = await http.post("/api/v1/task", json=body)
    assert response.status_code == 200, response.text
    return str(response.json()["data"]["task_id"])


async def task(http: httpx.AsyncClient, task_id: str) -> Json:
    """Look at a PiAPI task."""
    response = await http.get(f"/api/v1/task/{task_id}")
    assert response.status_code == 200, response.text
    return dict(response.json()["data"])


async def completed(http: httpx.AsyncClient, clock: Clock, body: Json) -> Json:
    """Submit at PiAPI and look at the task after its time."""
    task_id = await create(http, body)
    clock.advance(1000)
    return await task(http, task_id)


async def submit(http: httpx.AsyncClient, body: Json, action: str = "music") -> str:
    """Submit at gpt.ge, where it must be accepted; returns the task id."""
    response = await http.post(f"/suno/submit/{action}", json=body)
    assert response.status_code == 200, response.text
    return str(response.json()["data"])


async def fetched(http: httpx.AsyncClient, task_id: str) -> Json:
    """Look at a gpt.ge task."""
    response = await http.get(f"/suno/fetch/{task_id}")
    assert response.status_code == 200, response.text
    return dict(response.json()["data"])


async def succeeded(
    http: httpx.AsyncClient, clock: Clock, body: Json, action: str = "music"
) -> Json:
    """Submit at gpt.ge and look at the task after its time."""
    task_id = await submit(http, body, action)
    clock.advance(1000)
    return await fetched(http, task_id)


class Frames(NamedTuple):
    """What the frames of an MP3 say."""

    length: float
    sample_rate: int
    bitrate: int
    channels: int
    sketchy: bool


def heard(mp3: bytes) -> Frames:
    """Read the frames of an MP3."""
    info: Any = MPEGInfo(BytesIO(mp3))
    return Frames(info.length, info.sample_rate, info.bitrate, info.channels, info.sketchy)


def differences(given: object, wanted: object, place: str = "$") -> list[str]:
    """Return where a JSON value differs from an example in keys, or in types other than null."""
    if given is None or wanted is None:
        return []
    if isinstance(given, dict) and isinstance(wanted, dict):
        odd = [f"{place}.{key}" for key in given.keys() ^ wanted.keys()]
        shared = given.keys() & wanted.keys()
        return odd + [d for k in shared for d in differences(given[k], wanted[k], f"{place}.{k}")]
    if isinstance(given, list) and isinstance(wanted, list) and wanted:
        pairs = enumerate(given)
        return [d for i, item in pairs for d in differences(item, wanted[0], f"{place}[{i}]")]
    same = type(given) is type(wanted) or {type(given), type(wanted)} <= {int, float}
    return [] if same else [f"{place}: {type(given).__name__}"]
