"""The studio: the use cases, and the only place where services, journal and library meet.

Invariant of the money path: nothing is sent before its row is in the journal; a request is sent
at most once, by a task of the studio's own that no caller's cancellation reaches; and what came
of it is in the journal before anyone is told.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Protocol

import anyio
from anyio.abc import TaskGroup

from song_mcp import sentences
from song_mcp.clock import Clock
from song_mcp.errors import (
    InvalidRequestError,
    NoAnswerError,
    NotConfiguredError,
    ServiceError,
    SongError,
    UnknownClipError,
    UnknownTaskError,
)
from song_mcp.journal import Journal, Page
from song_mcp.keeper import Keeper
from song_mcp.library import Library
from song_mcp.providers.base import Provider, Submission
from song_mcp.rows import NewTask
from song_mcp.songs import (
    DEFAULT_SUNO,
    MODELS,
    RANDOM_SEED,
    UDIO,
    Clip,
    Model,
    Request,
    Service,
    Source,
    Task,
    model_by_wire_name,
)
from song_mcp.tracker import Tracker

logger = logging.getLogger(__name__)

SUBMIT_GRACE_S = 5.0
"""How long even a call that does not wait gives the service to take or refuse a submission."""
GLANCE_S = 1.0
"""How often a waiting call reads the journal, where another process may have written."""
SAVED_LATER = timedelta(days=2)
"""How old a task may be whose missing audio is fetched when the studio opens."""

PROGRESS_S = 4.0
"""How often a waiting call tells how it stands; clients were promised every 5 s."""


class Wait(Protocol):
    """How long a call waits, in seconds, and who is told meanwhile."""

    @property
    def seconds(self) -> float:
        """The longest wait, in seconds."""
        ...

    async def tell(self, elapsed_s: float, task: Task) -> None:
        """Take note that so many seconds have gone and how the task stands."""


@dataclass(frozen=True)
class Answer:
    """A task as it stands, and in `note` what the person should know about this very call."""

    task: Task
    note: str = ""


class Studio:
    """Makes songs with the `providers` that have a key. Use it inside `open_studio`."""

    def __init__(  # noqa: PLR0913 - the parts of the house, joined by name in `compose` alone
        self,
        *,
        providers: Mapping[Service, Provider],
        journal: Journal,
        library: Library,
        clock: Clock,
        default_model: Model | None,
        default_wait_s: float,
        blob_cap_bytes: int,
        work: TaskGroup,
    ) -> None:
        """Join the parts; `work` is the group in which submissions, looks and saves run.

        Audio of more than `blob_cap_bytes` is read from its file alone.
        """
        self.default_wait_s = default_wait_s
        self.blob_cap_bytes = blob_cap_bytes
        self._providers = providers
        self._journal = journal
        self._library = library
        self._clock = clock
        self._default_model = default_model
        self._work = work
        self._keeper = Keeper(journal, library, work, self._announce)
        self._tracker = Tracker(providers, journal, clock, self._keeper.keep)
        self._sending: dict[str, anyio.Event] = {}

    # Choosing --------------------------------------------------------------------------

    def model(self, name: str) -> Model:
        """Give the model called `name`, or for "" the default one; raises InvalidRequestError."""
        if not name:
            return self._default_model or (UDIO if "piapi" in self._providers else DEFAULT_SUNO)
        if name in MODELS:
            return MODELS[name]
        msg = f"There is no model {name!r}; choose one of {', '.join(MODELS)}. Nothing was paid."
        raise InvalidRequestError(msg)

    async def source(self, clip_id: str) -> tuple[Model, Source]:
        """Give what the journal knows of the clip that is to be continued, and with which model.

        A clip it does not know is taken as a song id of PiAPI. Raises InvalidRequestError where
        the id is that of a task, and UnknownClipError where PiAPI has no key to be asked with.
        """
        known = await self._journal.find_clip(clip_id)
        if known is not None:
            return self._known_source(*known)
        task = await self._journal.find(clip_id)
        if task is not None:
            raise InvalidRequestError(sentences.task_for_clip(task))
        if "piapi" not in self._providers:
            raise UnknownClipError(sentences.unknown_clip(clip_id))
        return UDIO, Source(clip_id)

    def _known_source(self, task: Task, clip: Clip) -> tuple[Model, Source]:
        source = Source(clip.clip_id, task.task_id, clip.title, clip.duration_s)
        if task.service == "piapi":
            return UDIO, source
        return MODELS.get(task.model) or model_by_wire_name(clip.made_with) or self._suno(), source

    def _suno(self) -> Model:
        default = self._default_model
        return default if default and default.service == "gptge" else DEFAULT_SUNO

    # Paying ----------------------------------------------------------------------------

    async def submit(self, request: Request, wait: Wait, *, another_take: bool) -> Answer:
        """Submit a request once, wait for the song as long as `wait` says, and give the task.

        A request like that of a task still open or in doubt joins that task, unless
        `another_take`. Raises NotConfiguredError, InvalidRequestError or JournalError before
        anything is sent; whatever happens afterwards is told by the task's status.
        """
        provider = self._provider(request.model.service)
        submission = provider.prepare(request)
        new = _new_task(request, submission)
        with anyio.CancelScope(shield=True):
            prepared = await self._journal.prepare(new, join=not another_take)
            if not prepared.joined:
                self._start_sending(prepared.task, provider, submission)
        task = await self._wait(prepared.task, wait)
        return Answer(task, sentences.JOINED if prepared.joined else sentences.remarks(request))

    def _provider(self, service: Service) -> Provider:
        provider = self._providers.get(service)
        if provider is None:
            raise NotConfiguredError(sentences.no_key(service, has_any=bool(self._providers)))
        return provider

    def _start_sending(self, task: Task, provider: Provider, submission: Submission) -> None:
        self._sending[task.local_id] = anyio.Event()
        self._work.start_soon(self._send, task, provider, submission)

    async def _send(self, task: Task, provider: Provider, submission: Submission) -> None:
        """Make the one POST and write what came of it; nothing cancels this half-way."""
        with anyio.CancelScope(shield=True):
            try:
                await self._send_and_record(task, provider, submission)
            except SongError:
                logger.exception("task %s could not be recorded", task.local_id)
            finally:
                self._sending.pop(task.local_id).set()
                self._tracker.announce(task.local_id)

    async def _send_and_record(
        self, task: Task, provider: Provider, submission: Submission
    ) -> None:
        try:
            accepted = await provider.submit(submission)
        except NoAnswerError as error:
            await self._journal.doubt(task.local_id, str(error))
        except ServiceError as error:
            await self._journal.reject(task.local_id, str(error))
        else:
            recorded = await self._journal.accept(task.local_id, accepted.task_id, accepted.report)
            await self._tracker.took_note(recorded)
            self._tracker.follow(recorded.task)

    # Looking up ------------------------------------------------------------------------

    async def look_up(self, task_id: str, service: Service, wait: Wait) -> Answer:
        """Give a task as it stands, waiting for its end as long as `wait` says.

        The journal says which service has it; one that it does not know is asked of `service`.
        An ended task is answered from the journal; where the look at an open one fails, the
        answer is what was last known, with a note. Raises UnknownTaskError, NotConfiguredError
        or what the service's `fetch` raised for a task that the journal does not know.
        """
        task = await self._journal.find(task_id)
        if task is None:
            task = await self._look_elsewhere(task_id, service)
        note = await self._look_now(task)
        self._tracker_follows(task)
        return Answer(await self._wait(task, wait), note)

    async def _look_elsewhere(self, task_id: str, service: Service) -> Task:
        if task_id.startswith("local-"):
            msg = f"There is no task {task_id} in the journal. list_songs shows the known ones."
            raise UnknownTaskError(msg)
        if service not in self._providers:
            raise UnknownTaskError(sentences.unknown_without_key(task_id, service))
        try:
            report = await self._providers[service].fetch(task_id)
        except UnknownTaskError as error:
            raise UnknownTaskError(f"{error} {sentences.WHERE_ELSE[service]}") from None
        recorded = await self._journal.adopt(service, report)
        await self._tracker.took_note(recorded)
        return recorded.task

    async def _look_now(self, task: Task) -> str:
        """Look at an open task; give the note that its answer needs where that failed."""
        if not task.is_open or not task.task_id:
            return ""
        if task.service not in self._providers:
            return f"As last known: {sentences.KEY_VARIABLES[task.service]} is not set."
        try:
            await self._tracker.look(task)
        except SongError as error:
            return f"As last known; looking again failed: {error}"
        return ""

    def _tracker_follows(self, task: Task) -> None:
        if task.is_open:
            self._tracker.follow(task)

    async def songs(self, query: str, limit: int) -> Page:
        """Give the newest tasks that match `query` ("" matches all); asks nobody."""
        return await self._journal.search(query, limit)

    async def task(self, task_id: str) -> Task:
        """Give a task from the journal alone; raises UnknownTaskError."""
        task = await self._journal.find(task_id)
        if task is None:
            msg = f"There is no task {task_id} in the journal."
            raise UnknownTaskError(msg)
        return task

    async def clip(self, clip_id: str) -> tuple[Task, Clip]:
        """Give a clip and its task from the journal alone; raises UnknownClipError."""
        found = await self._journal.find_clip(clip_id)
        if found is None:
            msg = f"There is no clip {clip_id} in the journal."
            raise UnknownClipError(msg)
        return found

    async def completed_clips(self) -> Sequence[tuple[Task, Clip]]:
        """Give every completed clip with its task, newest first; asks nobody."""
        return await self._journal.completed_clips()

    # Waiting ---------------------------------------------------------------------------

    async def _wait(self, task: Task, wait: Wait) -> Task:
        """Give the task when it has ended and its audio is kept, or as it stands in the end."""
        start = self._clock.monotonic()
        told_at: float | None = None
        while True:
            change = self._tracker.changed(task.local_id)
            task = await self._journal.find(task.local_id) or task
            elapsed = self._clock.monotonic() - start
            patience = max(wait.seconds, SUBMIT_GRACE_S if self._is_sending(task) else 0.0)
            if self._is_settled(task) or elapsed >= patience:
                return task
            if told_at is None or elapsed - told_at >= PROGRESS_S:
                await wait.tell(elapsed, task)
                told_at = elapsed
            await self._clock.wait(change, min(GLANCE_S, patience - elapsed))

    def _is_sending(self, task: Task) -> bool:
        return task.local_id in self._sending

    def _is_settled(self, task: Task) -> bool:
        """Whether waiting longer brings nothing: ended, and no clip is being saved here."""
        return not task.is_open and not self._keeper.is_busy(task)

    # Keeping ---------------------------------------------------------------------------

    async def audio(self, clip_id: str) -> tuple[bytes, str]:
        """Give a completed clip's audio bytes and MIME type, waiting while it is being saved.

        Raises UnknownClipError, or LibraryError where there is no audio to be read.
        """
        task, clip = await self.clip(clip_id)
        await self._keeper.kept(task, clip)
        _, clip = await self.clip(clip_id)
        return await self._library.read(clip), clip.mime_type

    # Opening and closing ---------------------------------------------------------------

    async def run(self) -> None:
        """Take up what earlier processes left open, and follow tasks until cancelled."""
        self._work.start_soon(self._take_up)
        await self._tracker.run()

    async def _take_up(self) -> None:
        try:
            for task in await self._journal.unsaved(self._clock.now() - SAVED_LATER):
                await self._keeper.keep(task)
        except SongError as error:
            logger.warning("earlier tasks were not taken up: %s", error)

    def _announce(self, local_id: str) -> None:
        self._tracker.announce(local_id)

    async def settled(self) -> None:
        """Come back when no submission is in flight."""
        for sent in list(self._sending.values()):
            await sent.wait()


@asynccontextmanager
async def running(make: Callable[[TaskGroup], Studio]) -> AsyncIterator[Studio]:
    """Run the studio that `make` builds; on leaving, only submissions in flight are waited for."""
    async with anyio.create_task_group() as work:
        studio = make(work)
        work.start_soon(studio.run)
        try:
            yield studio
        finally:
            with anyio.CancelScope(shield=True):
                await studio.settled()
            work.cancel_scope.cancel()


def _new_task(request: Request, submission: Submission) -> NewTask:
    return NewTask(
        service=submission.service,
        model=request.model.name,
        kind=request.kind,
        fingerprint=submission.fingerprint,
        title=request.title,
        description=request.description,
        request=_as_json(request),
    )


def _as_json(request: Request) -> dict[str, Any]:
    """Give what the user asked for as JSON values, without what was not given."""
    values = asdict(request) | {"model": request.model.name}
    defaults = ("", None, False, RANDOM_SEED)
    return {name: value for name, value in values.items() if value not in defaults}
