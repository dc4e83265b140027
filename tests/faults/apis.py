"""What each service of the fault tests says: one class for each, found by the path of a request."""

import io
import json
import wave
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import parse_qsl

from song_mcp.songs import ServiceName
from tests.faults import dialects
from tests.faults.dialects import Form
from tests.faults.refusals import (
    DOUBTS,
    DOUBTS_OF_MINIMAX,
    REFUSALS,
    REFUSALS_OF_ACESTEP,
    REFUSALS_OF_MINIMAX,
    REFUSALS_OF_PIAPI,
    Answer,
)

Json = dict[str, Any]

TASKS = "/api/v1/task"
HISTORY = "/api/open/tasks/histories"
RUNNING = "/account/active_tasks"
ACCOUNT = "/account/info"
UPLOAD = "/api/ephemeral_resource"
FETCH_MANY = "/suno/fetch"
QUERY = "/query_result"
LARGEST_PAGE = 100
REFUND = "refunded"
"""A word of the reasons of tasks whose price gpt.ge gives back."""
SONG_USD = 0.05
SECOND_USD = 0.0005
DIFFRHYTHM_USD = 0.02
MINIMAX_USD = 0.15
POINTS_PER_USD = 10_000_000
FUNDED_USD = 1000.0
"""What every account has at the beginning."""
WORDS = "Lamps along the quay"


def tiny_audio() -> bytes:
    """A tenth of a second of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(1600))
    return file.getvalue()


AUDIO = tiny_audio()


@dataclass(frozen=True)
class Incoming:
    """One HTTP request; `query` is what stands behind the path, `text` what tells its song."""

    method: str
    path: str
    body: Json
    key: str = ""
    query: str = ""
    text: str = ""

    @property
    def account(self) -> str:
        return self.key.partition("+")[0]

    @property
    def is_submission(self) -> bool:
        return self.method == "POST" and self.path not in {FETCH_MANY, QUERY, UPLOAD}

    @property
    def asked(self) -> Json:
        """What was asked for, as PiAPI repeats it in a task's input."""
        asked: Json = self.body.get("input", self.body)
        return asked

    @property
    def continued(self) -> str:
        """The clip that an extension continues, or ""."""
        names = ("continue_song_id", "continue_clip_id")
        return next((str(self.asked[name]) for name in names if self.asked.get(name)), "")

    @property
    def model(self) -> str:
        return str(self.body.get("model") or self.body.get("mv") or "")

    @property
    def makes_lyrics(self) -> bool:
        is_at_piapi = self.body.get("task_type") == "generate_lyrics"
        return is_at_piapi or self.path.endswith(("/lyrics", "/lyrics_generation"))

    @property
    def last(self) -> str:
        """The last part of the path, which is a task's id in a look."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Song:
    """One accepted submission, which costs `usd`."""

    task_id: str
    text: str
    fate: str
    service: ServiceName
    model: str
    task_type: str
    makes_lyrics: bool
    account: str
    created_at: datetime
    number: int
    asked: Json
    usd: float

    @property
    def is_udio(self) -> bool:
        return self.service == "piapi"


class Books(Protocol):
    """What the services have done so far, and how they tell it."""

    base_url: str
    songs: dict[str, Song]
    history_looks: int

    def left_usd(self, account: str) -> float: ...

    def find(self, task_id: str, account: str) -> Song | None:
        """Return a song of this account."""

    def fate(self, song: Song) -> str: ...

    def link(self, song: Song, path: str) -> str:
        """Return the link to a song's audio, "" if it comes with a later look."""

    def clip(self, song: Song) -> Json:
        """Return the one clip of a song."""

    def form(self, forms: Sequence[Any], song: Song) -> Any:  # noqa: ANN401 - as the forms are
        """Return the form in which this song is told."""


class Api(Protocol):
    """How one service is spoken to: its name, and how its paths begin.

    `refusals` are answers before anything is accepted, `doubts` those before or after.
    """

    name: ServiceName
    paths: tuple[str, ...]
    refusals: Sequence[Answer]
    doubts: Sequence[Answer]

    def usd(self, incoming: Incoming) -> float:
        """Return what a submission costs."""

    def refusal(self, incoming: Incoming) -> Json | None:
        """Return what is said of a submission that is refused, None if it is accepted."""

    def accepted(self, books: Books, song: Song) -> Json: ...

    def seen(self, books: Books, incoming: Incoming) -> Json:
        """Return what is said to a look."""

    def gives_back(self, books: Books, song: Song) -> bool:
        """Tell whether a song that fails is not charged after all."""


def api_of(path: str) -> Api:
    """Return the service that has this path."""
    return next(api for api in APIS if path.startswith(api.paths))


class PiapiApi(Api):
    """PiAPI: songs of Udio and, as other models, of ACE-Step and DiffRhythm."""

    name = "piapi"
    paths = ("/api/v1/task", "/api/open/", ACCOUNT, RUNNING, UPLOAD)
    refusals = REFUSALS_OF_PIAPI
    doubts = DOUBTS

    def usd(self, incoming: Incoming) -> float:
        if incoming.model.endswith("diffrhythm"):
            return DIFFRHYTHM_USD
        if incoming.model.endswith("ace-step"):
            length = incoming.asked.get("right_extend_duration", incoming.asked.get("duration"))
            return SECOND_USD * float(length or 60)
        return SONG_USD

    def refusal(self, incoming: Incoming) -> Json | None:
        if not incoming.text.endswith("refused"):
            return None
        return {"code": 400, "message": "the prompt is refused", "data": None}

    def accepted(self, books: Books, song: Song) -> Json:
        return {"code": 200, "message": "success", "data": self._task(books, song, "pending")}

    def seen(self, books: Books, incoming: Incoming) -> Json:
        if incoming.path == ACCOUNT:
            data: Json = {"equivalent_in_usd": books.left_usd(incoming.account)}
        elif incoming.path == UPLOAD:
            data = {"url": f"{books.base_url}/uploads/{incoming.body['file_name']}"}
        elif incoming.path == HISTORY:
            data = self._history(books, incoming)
        elif incoming.path == RUNNING:
            data = self._running(books, incoming)
        else:
            song = books.find(incoming.last, incoming.account)
            if song is None:
                return {"code": 404, "message": "task not found", "data": None}
            data = self._task(books, song, self._status(books, song))
        return {"code": 200, "message": "success", "data": data}

    def gives_back(self, books: Books, song: Song) -> bool:
        return False

    def _status(self, books: Books, song: Song) -> str:
        return {"ends": "completed", "fails": "failed"}.get(books.fate(song), "processing")

    def _history(self, books: Books, incoming: Incoming) -> Json:
        """List the songs of an account that were made in the time that is asked for."""
        books.history_looks += 1
        told = dict(parse_qsl(incoming.query))
        asked = {name: int(text) for name, text in told.items() if text.isdigit()}
        first, last = asked.get("start_time", 0), asked.get("end_time", 2**40)
        made = [
            song
            for song in reversed(books.songs.values())
            if song.service == self.name
            and song.account == incoming.account
            and told.get("model", song.model) == song.model
            and first <= song.created_at.timestamp() <= last
        ]
        page, size = asked.get("page", 1), min(asked.get("page_size", 10), LARGEST_PAGE)
        shown = [self._past(books, song) for song in made[(page - 1) * size : page * size]]
        return {"data": shown, "page": page, "size": size, "total": len(made)}

    def _running(self, books: Books, incoming: Incoming) -> Json:
        """Count the songs of an account that have not ended, by model."""
        counts = Counter(
            song.model
            for song in books.songs.values()
            if song.service == self.name
            and song.account == incoming.account
            and self._status(books, song) == "processing"
        )
        return {model: {"processing_count": count} for model, count in counts.items()}

    def _past(self, books: Books, song: Song) -> Json:
        return {
            "id": song.number,
            "action": song.task_type,
            "created_at": song.created_at.isoformat(),
            "detail": {"model": song.model, "task_id": song.task_id, "workflow_type": ""},
            "status": self._status(books, song),
            "task_id": song.task_id,
            "task_model": song.model,
        }

    def _task(self, books: Books, song: Song, status: str) -> Json:
        has_ended = status in {"completed", "failed"}
        points = round(song.usd * POINTS_PER_USD)
        output = self._output(books, song, is_done=status == "completed")
        return {
            "task_id": song.task_id,
            "model": song.model,
            "task_type": song.task_type,
            "status": status,
            "input": song.asked,
            "output": books.form(dialects.OUTPUTS, song)(output),
            "meta": {
                "created_at": song.created_at.isoformat(),
                "usage": {"type": "point", "frozen": points, "consume": points * has_ended},
            },
        }

    def _output(self, books: Books, song: Song, *, is_done: bool) -> Json:
        if song.makes_lyrics:
            return {"lyrics": WORDS if is_done else None}
        if song.model != "music-u":
            return {"audio_url": books.link(song, "audio") if is_done else ""}
        return {"songs": [books.clip(song)] if is_done else None}


class GptgeApi(Api):
    """gpt.ge: Suno's songs, in the forms of the whole family if songs are told in odd ones."""

    name = "gptge"
    paths = ("/suno/", "/v1/dashboard/", "/api/usage/")
    refusals = REFUSALS
    doubts = DOUBTS

    def usd(self, incoming: Incoming) -> float:
        return SONG_USD

    def refusal(self, incoming: Incoming) -> Json | None:
        if not incoming.text.endswith("refused"):
            return None
        return {"code": "invalid_request", "message": "the prompt is refused", "data": None}

    def accepted(self, books: Books, song: Song) -> Json:
        told: Json = books.form(dialects.ACCEPTED, song)(song.task_id)
        return told

    def seen(self, books: Books, incoming: Incoming) -> Json:
        if not incoming.path.startswith("/suno/"):  # a balance, which it does not tell
            return {"error": {"message": "no such token", "type": "new_api_error"}}
        if incoming.path == FETCH_MANY:
            seen = [books.find(key, incoming.account) for key in incoming.body["ids"]]
            known = [self._task(books, song) for song in seen if song is not None]
            return {"code": "success", "message": "", "data": known}
        song = books.find(incoming.last, incoming.account)
        if song is None:
            return {"code": "task_not_exist", "message": "task_not_exist", "data": None}
        return {"code": "success", "message": "", "data": self._task(books, song)}

    def gives_back(self, books: Books, song: Song) -> bool:
        return song.fate == "fails" and REFUND in self._reason(books, song)

    def _task(self, books: Books, song: Song) -> Json:
        fate = books.fate(song)
        words = {"ends": dialects.SUCCEEDED, "fails": dialects.FAILED}.get(fate, dialects.WORKS)
        data: object = books.form(dialects.RUNNING, song)
        if fate == "ends" and song.makes_lyrics:
            data = {"text": WORDS}
        elif fate == "ends":
            form: Form = books.form(dialects.CLIPS, song)
            data = form([books.clip(song)])
        return {
            "task_id": song.task_id,
            "action": "LYRICS" if song.makes_lyrics else "MUSIC",
            "status": books.form(words, song),
            "fail_reason": self._reason(books, song) if fate == "fails" else "",
            "submit_time": int(song.created_at.timestamp()),
            "data": data,
        }

    def _reason(self, books: Books, song: Song) -> str:
        forms = (f"it came to nothing, {REFUND}", "it came to nothing")
        return str(books.form(forms, song))


class MinimaxApi(Api):
    """MiniMax: the answer to a submission is the song itself, so there is nothing to look at.

    What shall fail is refused, as nothing else can be said of it.
    """

    name = "minimax"
    paths = ("/v1/music", "/v1/lyrics")
    refusals = REFUSALS_OF_MINIMAX
    doubts = DOUBTS_OF_MINIMAX

    def usd(self, incoming: Incoming) -> float:
        return 0.0 if incoming.model.endswith("-free") else MINIMAX_USD

    def refusal(self, incoming: Incoming) -> Json | None:
        if not incoming.text.endswith(("refused", "fails")):
            return None
        return {"base_resp": {"status_code": 1026, "status_msg": "the prompt is refused"}}

    def accepted(self, books: Books, song: Song) -> Json:
        told: Json = {
            "trace_id": song.task_id,
            "base_resp": {"status_code": 0, "status_msg": "success"},
        }
        if song.makes_lyrics:
            return told | {"song_title": "Quay", "style_tags": "slow", "lyrics": WORDS}
        data = {"audio": AUDIO.hex(), "status": 2}
        return told | {"data": data, "extra_info": {"music_duration": 100}}

    def seen(self, books: Books, incoming: Incoming) -> Json:
        return {"base_resp": {"status_code": 2013, "status_msg": "no such path"}}

    def gives_back(self, books: Books, song: Song) -> bool:
        return False


class AcestepApi(Api):
    """ACE-Step's own server, where nothing costs anything."""

    name = "acestep"
    paths = ("/release_task", QUERY, "/v1/models", "/v1/stats", "/health")
    refusals = REFUSALS_OF_ACESTEP
    doubts = DOUBTS

    def usd(self, incoming: Incoming) -> float:
        return 0.0

    def refusal(self, incoming: Incoming) -> Json | None:
        if not incoming.text.endswith("refused"):
            return None
        return {"detail": "the prompt is refused"}

    def accepted(self, books: Books, song: Song) -> Json:
        return self._said({"task_id": song.task_id, "status": "queued", "queue_position": 1})

    def seen(self, books: Books, incoming: Incoming) -> Json:
        if incoming.path != QUERY:
            return self._said({"models": [{"name": "acestep-v15-turbo", "is_default": True}]})
        asked = incoming.body["task_id_list"]
        ids: list[str] = json.loads(asked) if isinstance(asked, str) else asked
        seen = [books.find(key, incoming.account) for key in ids]
        return self._said([self._task(books, song) for song in seen if song is not None])

    def gives_back(self, books: Books, song: Song) -> bool:
        return True

    def _said(self, data: object) -> Json:
        return {"data": data, "code": 200, "error": None, "timestamp": 1, "extra": None}

    def _task(self, books: Books, song: Song) -> Json:
        status = {"ends": 1, "fails": 2}.get(books.fate(song), 0)
        path = books.link(song, "v1/audio?path=%2Ftmp") if status == 1 else ""
        take = {
            "file": path.removeprefix(books.base_url),
            "status": status,
            "create_time": int(song.created_at.timestamp()),
            "metas": {"duration": 1},
            "seed_value": "12",
        }
        return {"task_id": song.task_id, "status": status, "result": json.dumps([take])}


APIS: tuple[Api, ...] = (PiapiApi(), GptgeApi(), MinimaxApi(), AcestepApi())
