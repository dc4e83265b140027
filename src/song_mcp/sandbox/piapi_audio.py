"""ACE-Step and DiffRhythm at PiAPI: what their tasks take, what they cost, and what they make.

`docs/providers.md` 2.12 and 2.13 say what the real ones do. What no source tells is this sandbox's
own: the texts of refusals, and that an extension is paid by what is added.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from song_mcp.sandbox.markers import View, without
from song_mcp.sandbox.songs import Clip, Order
from song_mcp.sandbox.state import Sandbox
from song_mcp.sandbox.tasks import Json, Stage, Task

ACE_STEP, DIFFRHYTHM = "Qubico/ace-step", "Qubico/diffrhythm"
NO_INPUT = "failed to get input audio"
UPLOADS = "/ephemeral/"
"""Where uploaded files are served."""

_NO_VOICE = frozenset({"", "[inst]", "[instrumental]"})
_TIMED = re.compile(r"\[\d{1,3}:\d\d(\.\d{1,3})?\]")
_MOST_S = 240
_POINTS_A_SECOND = 5_000
_POINTS_A_TRACK = 200_000
_TRACK_S: Mapping[str, float] = {"txt2audio-base": 95.0, "txt2audio-full": 285.0}

Check = Callable[[Json], str | None]


def _text(given: Json, name: str) -> str:
    return given.get(name) or ""


def _wrong_texts(given: Json) -> str | None:
    names = ("style_prompt", "negative_style_prompt", "lyrics", "style_audio", "audio")
    wrong = [name for name in names if not isinstance(given.get(name), str | None)]
    return f"{wrong[0]} must be a string" if wrong else None


def _no_style(given: Json) -> str | None:
    return None if _text(given, "style_prompt") else "style_prompt is required"


def _no_style_at_all(given: Json) -> str | None:
    if _text(given, "style_prompt") or _text(given, "style_audio"):
        return None
    return "style_prompt or style_audio is required"


def _missing(name: str) -> Check:
    return lambda given: None if given.get(name) else f"{name} is required"


def _seconds(name: str, *, least: float = 0.0) -> Check:
    def check(given: Json) -> str | None:
        value = given.get(name, least)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not least <= value <= _MOST_S:
            return f"{name} must be a number of at most {_MOST_S} seconds"
        return None

    return check


def _untimed(given: Json) -> str | None:
    lyrics = given.get("lyrics")
    if lyrics is None:
        return "lyrics is required"
    lines = [] if lyrics.strip() in _NO_VOICE else lyrics.strip().splitlines()
    return None if all(map(_TIMED.match, lines)) else "lyrics must have a time in each line"


_SONG: tuple[Check, ...] = (_wrong_texts, _no_style, _seconds("duration", least=1.0))
_TRACK: tuple[Check, ...] = (_wrong_texts, _no_style_at_all, _untimed)
CHECKS: Mapping[tuple[str, str], tuple[Check, ...]] = {
    (ACE_STEP, "txt2audio"): _SONG,
    (ACE_STEP, "audio2audio"): (*_SONG, _missing("style_audio")),
    (ACE_STEP, "extend"): (
        *(_wrong_texts, _no_style, _missing("audio")),
        *(_seconds("right_extend_duration"), _seconds("left_extend_duration")),
    ),
    (DIFFRHYTHM, "txt2audio-base"): _TRACK,
    (DIFFRHYTHM, "txt2audio-full"): _TRACK,
}
"""What is checked before anything is accepted, by model and task type."""


def is_audio_model(body: Json) -> bool:
    """Tell whether a submission is for one of these models."""
    return body.get("model") in {ACE_STEP, DIFFRHYTHM}


def new_seconds(body: Json) -> float:
    """Return how many seconds of audio a task makes."""
    given = body["input"]
    if body["model"] == DIFFRHYTHM:
        return _TRACK_S[body["task_type"]]
    if body["task_type"] == "extend":
        sides = ("left_extend_duration", "right_extend_duration")
        return float(sum(given.get(side, 0) for side in sides))
    return float(given.get("duration", 60))


def points(body: Json) -> int:
    """Return the price of a task."""
    if body["model"] == DIFFRHYTHM:
        return _POINTS_A_TRACK
    return round(new_seconds(body) * _POINTS_A_SECOND)


@dataclass(frozen=True)
class Input:
    """The audio that a task was given: a clip of this sandbox, or the frames of an uploaded MP3."""

    clip: Clip | None = None
    frames: bytes = b""

    @property
    def is_there(self) -> bool:
        """Whether the address led to audio."""
        return self.clip is not None or bool(self.frames)


def input_of(sandbox: Sandbox, body: Json, netloc: str) -> Input | None:
    """Return the audio at the address that a task was given, None if it was given none.

    `netloc` is the sandbox's own host and port: it reaches no other.
    """
    given = body["input"]
    link = _text(given, "audio") or _text(given, "style_audio")
    if not link:
        return None
    try:
        parts = urlsplit(link)
    except ValueError:
        return Input()
    if parts.netloc != netloc:
        return Input()
    name = parts.path.rpartition("/")[2]
    if parts.path.startswith(UPLOADS):
        return Input(frames=frames_in(sandbox.uploads.get(name, b"")))
    for piece in parts.path.removesuffix(".mp3").split("/"):
        if found := sandbox.piapi.of_clip(piece) or sandbox.gptge.of_clip(piece):
            return Input(found[1], found[1].before)
    return Input()


def frames_in(mp3: bytes) -> bytes:
    """Return the frames of an MP3 without its tags, nothing if it has none."""
    if mp3.startswith(b"ID3"):
        length = 0
        for byte in mp3[6:10]:
            length = length << 7 | byte
        mp3 = mp3[10 + length :]
    is_frame = mp3[:1] == b"\xff" and len(mp3) > 1 and mp3[1] >= 0xE0
    return mp3 if is_frame else b""


def order_of(sandbox: Sandbox, body: Json, source: Input | None) -> Order:
    """Return what a task was asked for; an extension holds its source."""
    given = body["input"]
    lyrics = _text(given, "lyrics").strip()
    is_longer = body["task_type"] == "extend" and source is not None
    return Order(
        style=without(_text(given, "style_prompt")),
        lyrics=None if lyrics in _NO_VOICE else without(_TIMED.sub("", lyrics)),
        instrumental=lyrics in _NO_VOICE,
        seed=f"#{sandbox.count('piapi', body)}",
        source=source.clip if is_longer and source else None,
        holds_source=is_longer,
        before=source.frames if is_longer and source else b"",
    )


def output(task: Task, view: View) -> Json:
    """Return the output of a task: nothing, then one link."""
    if view.stage is not Stage.ENDED or task.fails:
        return {}
    return {"audio_url": f"{view.origin}/media/{task.clips[0].id}.mp3"}
