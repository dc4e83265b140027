"""A service in memory whose submissions make one clip each, and which is sent clips' audio.

It stands in the place of gpt.ge's row, so that a whole song-mcp uses it; `rows` puts it there.
"""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest

from song_mcp.errors import NoAnswerError, RefusedError
from song_mcp.providers.base import Accepted, Account, SourceAudio, Submission, account_tag
from song_mcp.songs import MODELS, SERVICES, Clip, CoverRequest, Model, Report, Request, SongRequest
from song_mcp.songs.models import SINGS

SOLO = Model(
    "solo",
    "gptge",
    "solo-1",
    1000,
    abilities=SINGS | {"cover", "repaint", "duration", "extend"},
    durations=(10.0, 240.0),
    clips=1,
    usd_per_second=0.0005,
    takes_audio=True,
)
OWN = Model("own", "gptge", "own-1", 1000, abilities=SINGS, clips=1, most_takes=8, is_free=True)
LOST, REFUSED = "[[lost]]", "[[refused]]"


@dataclass
class Shop:
    """What all solo services of a test were sent, and what their tasks are like."""

    posts: list[Submission] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)
    is_done: bool = False


class Solo:
    """The service behind one key."""

    service = "gptge"
    shop: ClassVar[Shop] = Shop()

    def __init__(self, key: str, base_url: str, **_options: object) -> None:
        self.account_tag = account_tag(self.service, base_url, key)

    def prepare(self, request: Request) -> Submission:
        """Translate a request."""
        body: dict[str, Any] = {"about": request.description}
        audio = None
        if isinstance(request, SongRequest):
            body |= {"seconds": request.duration_s, "takes": request.takes}
        if isinstance(request, CoverRequest):
            body |= {"part": request.part}
            audio = audio_of(request)
        return Submission(self.service, "/songs", body, audio=audio)

    async def attach(self, submission: Submission) -> Submission:
        """Take note of the file that goes along."""
        assert submission.audio is not None
        self.shop.attached.append(submission.audio.file)
        return submission

    async def submit(self, submission: Submission) -> Accepted:
        """Take the one POST."""
        self.shop.posts.append(submission)
        if LOST in submission.body["about"]:
            raise NoAnswerError("The answer was lost.")
        if REFUSED in submission.body["about"]:
            raise RefusedError("It was refused. Nothing was charged.")
        return Accepted(f"solo-task-{len(self.shop.posts)}")

    async def fetch(self, task_id: str) -> Report:
        """Look at one task."""
        clip = Clip(f"{task_id}-clip", "completed", title="Solo", duration_s=30.0)
        if self.shop.is_done:
            return Report(task_id, "completed", "done", model="solo-1", clips=(clip,))
        return Report(task_id, "processing", "busy", model="solo-1")

    async def account(self) -> Account | None:
        """Tell nothing."""
        return None

    async def close(self) -> None:
        """Close nothing."""


def audio_of(request: CoverRequest) -> SourceAudio:
    """The clip whose audio goes along."""
    source = request.source
    return SourceAudio(source.clip_id, source.task_id, source.service, source.file)


def rows(monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Put the service into the table; returns what it is sent."""
    shop = Shop()
    monkeypatch.setattr(Solo, "shop", shop)
    place = replace(SERVICES["gptge"], adapter="tests.solo:Solo", models=(SOLO, OWN), any_word=None)
    monkeypatch.setitem(SERVICES, "gptge", place)
    for model in (SOLO, OWN):
        monkeypatch.setitem(MODELS, model.name, model)
    return shop
