"""The studio: the use cases, and the only place where services, journal and library meet.

Invariant: a use case decides what is asked of whom and what is answered, and nothing else. What
costs money is left to the submitter, following to the poller, saving to the saver, the dead to
the recovery.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from song_mcp import messages
from song_mcp.clock import Clock
from song_mcp.errors import (
    InvalidRequestError,
    JournalError,
    NotConfiguredError,
    ServiceError,
    SongError,
    UnknownClipError,
    UnknownTaskError,
)
from song_mcp.ids import is_uuid
from song_mcp.journal import LAST, POLLED_FOR_S, Journal, Page, Recorded
from song_mcp.library.store import Library
from song_mcp.messages import SETTLED_MEANWHILE as SETTLED
from song_mcp.providers.base import Account, Provider
from song_mcp.songs import (
    DEFAULT_SUNO,
    MODELS,
    SERVICES,
    UDIO,
    Clip,
    Model,
    Request,
    Service,
    Source,
    Task,
    model_by_wire_name,
)
from song_mcp.studio import reconcile
from song_mcp.studio.catalog import Catalog
from song_mcp.studio.feed import Feed
from song_mcp.studio.handles import Handles
from song_mcp.studio.poller import Poller
from song_mcp.studio.recovery import Recovery
from song_mcp.studio.results import AccountState, Action, Answer, State, Wait
from song_mcp.studio.saver import Saver
from song_mcp.studio.submitter import Submitter
from song_mcp.studio.supervise import going_on

logger = logging.getLogger(__name__)

T = TypeVar("T")

SUBMIT_GRACE_S = 5.0
"""How long even a call that does not wait gives the service to take or refuse a submission."""
GLANCE_S = 1.0
"""How often a waiting call reads the journal, where another process may have written."""
PROGRESS_S = 4.0
"""How often a waiting call tells how it stands; clients were promised every 5 s."""


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
        daily_limit: int,
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
        self._daily_limit = daily_limit
        self._submitter = Submitter(journal, clock, work, daily_limit, self._took_note)
        liveness = self._submitter.liveness
        self._recovery = Recovery(journal, liveness, clock, self._submitter.is_sending)
        self._saver = Saver(journal, library, liveness, clock, work, self._announce)
        self._poller = Poller(providers, journal, clock, self._saver.keep)
        self.feed = Feed(journal, clock)
        self.catalog = Catalog(journal, library, self._saver)
        self.handles = Handles(journal, clock, work, providers, self._look_now)

    # Choosing --------------------------------------------------------------------------

    def model(self, name: str) -> Model:
        """Give the model called `name`, or for "" the default one; raises InvalidRequestError."""
        if not name:
            return self._default_model or (UDIO if "piapi" in self._providers else DEFAULT_SUNO)
        if name in MODELS:
            return MODELS[name]
        known = ", ".join(MODELS)
        msg = f"There is no model {name[:60]!r}; choose one of {known}. Nothing was paid."
        raise InvalidRequestError(msg)

    async def source(self, name: str) -> tuple[Model, Source, str]:
        """Give the clip that is to be continued, the model to do it with, and a note on the choice.

        What looks like an id, and is none in the journal, is taken as a song id of PiAPI. Raises
        UnknownClipError, or InvalidRequestError where `name` means several clips, or a task.
        """
        try:
            found = await self.catalog.find(name)
        except UnknownClipError:
            if not is_uuid(name.strip()) or "piapi" not in self._providers:
                raise
            return UDIO, Source(name.strip()), ""
        if found.untold is not None:  # a call that is repeated must extend the same clip, or none
            raise InvalidRequestError(messages.untold(found.untold))
        return *self._known_source(found.task, found.clip), found.note

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
        begun = await self.begin(request, another_take=another_take)
        return Answer(await self._wait(begun.task, wait), begun.note)

    async def begin(self, request: Request, *, another_take: bool) -> Answer:
        """Begin to submit a request, as `submit` does, and give its task as the journal got it."""
        provider = self._provider(request.model.service)
        prepared = await self._submitter.pay(request, provider, join=not another_take)
        note = messages.JOINED if prepared.joined else messages.remarks(request)
        return Answer(prepared.task, note)

    def _provider(self, service: Service) -> Provider:
        provider = self._providers.get(service)
        if provider is None:
            raise NotConfiguredError(messages.no_key(service, has_any=bool(self._providers)))
        return provider

    # Settling doubts -------------------------------------------------------------------

    async def resolve(self, task_id: str, action: Action, wait: Wait) -> Answer:
        """Settle a task in doubt: check what can be compared, abandon it, or submit it again.

        Raises UnknownTaskError, InvalidRequestError where the task is not in doubt or is to be
        submitted again as the `last` one, and before a new submission whatever `submit` raises.
        """
        task = await self.task(task_id)
        reconcile.must_be_in_doubt(task)
        if action == "submit_again" and task_id not in {task.task_id, task.local_id}:
            raise InvalidRequestError(messages.NOT_THE_LAST)
        if action == "check":
            checked, found = await reconcile.check(
                self._journal, self._providers.get(task.service), task
            )
            await self._saver.keep(checked)
            return Answer(checked, found)
        if action == "abandon":
            closed = await self._journal.abandon(task.local_id, messages.abandoned())
            is_closed = closed.status == "abandoned"
            return Answer(closed, messages.abandoned() if is_closed else SETTLED)
        return await self._submit_again(task, wait)

    async def _submit_again(self, task: Task, wait: Wait) -> Answer:
        again = await self._submitter.pay_again(task, self._provider(task.service))
        if again is None:
            return Answer(await self.task(task.local_id), SETTLED)
        return Answer(await self._wait(again, wait), messages.submitted_again(again))

    async def state(self) -> State:
        """Give what the accounts, the journal and the settings say; asks PiAPI for its balance."""
        spending = await self._journal.spending()
        return State(
            accounts={service: await self._account(service) for service in SERVICES},
            default_model=self.model("").name,
            paid=spending.paid,
            cost_usd=spending.cost_usd,
            daily_limit=self._daily_limit,
            in_doubt=tuple(await self._journal.in_doubt()),
            journal=self._journal.path,
            library=self._library.folder,
        )

    async def _account(self, service: Service) -> AccountState:
        """Give what a service tells of its account, the sentence why it does not, or None."""
        provider = self._providers.get(service)
        if provider is None:
            return None
        try:
            return await provider.account() or Account()
        except ServiceError as error:
            return str(error)

    def delivered(self, task_ids: Sequence[str]) -> None:
        """Take note, in the background, that a client was sent the end of these tasks."""
        self._work.start_soon(self._deliver, task_ids)

    async def _deliver(self, task_ids: Sequence[str]) -> None:
        with anyio.CancelScope(shield=True), going_on("noting a delivery"):
            await self._journal.deliver(task_ids)  # also when the client hangs up at once

    # Looking up ------------------------------------------------------------------------

    async def look_up(self, task_id: str, service: Service, wait: Wait) -> Answer:
        """Give a task as it stands, waiting for its end as long as `wait` says.

        The journal says which service has it, also by a clip's id and of the `last` one; one that
        it does not know is asked of `service`.
        An ended task is answered from the journal; where the look at an open one fails, the
        answer is what was last known, with a note. Raises UnknownTaskError, NotConfiguredError
        or what the service's `fetch` raised for a task that the journal does not know.
        """
        task = await self.catalog.known_task(task_id)
        if task is None:
            task = await self._look_elsewhere(task_id, service)
        note = await self._look_now(task)
        self._poller.follow(task)
        await self._saver.keep(task)
        task = await self._wait(task, wait)
        return Answer(task, " ".join(filter(None, (note, self._no_longer_followed(task)))))

    def _no_longer_followed(self, task: Task) -> str:
        if task.is_open and task.unfollowed_at is not None:
            return messages.UNFOLLOWED
        is_old = self.age_s(task) > POLLED_FOR_S
        return messages.NOT_FOLLOWED if task.is_open and is_old else ""

    def age_s(self, task: Task) -> float:
        """Give for how many seconds there has been this task."""
        return (self._clock.now() - task.created_at).total_seconds()

    async def _look_elsewhere(self, task_id: str, service: Service) -> Task:
        if task_id.startswith("local-") or task_id.casefold() == LAST:
            raise UnknownTaskError(messages.unknown_task(task_id))
        if service not in self._providers:
            raise UnknownTaskError(messages.unknown_without_key(task_id, service))
        try:
            report = await self._providers[service].fetch(task_id)
        except UnknownTaskError as error:
            raise UnknownTaskError(f"{error} {messages.WHERE_ELSE[service]}") from None
        recorded = await self._journal.adopt(service, self._providers[service].account_tag, report)
        await self._poller.took_note(recorded)
        return recorded.task

    async def _look_now(self, task: Task) -> str:
        """Look at an open task; give the note that its answer needs where that failed."""
        if not task.is_open or not task.task_id:
            return ""
        if task.service not in self._providers:
            return messages.as_last_known(task.service)
        try:
            await self._poller.look(task)
        except SongError as error:
            return f"As last known; looking again failed: {error}"
        return ""

    async def songs(self, query: str, limit: int) -> Page:
        """Give the newest tasks that match `query` ("" matches all); asks nobody."""
        return await self._journal.search(query, limit)

    async def task(self, task_id: str) -> Task:
        """Give a task from the journal alone, by its id or as `last`; raises UnknownTaskError."""
        return await self.catalog.task(task_id)

    # Waiting ---------------------------------------------------------------------------

    async def _wait(self, task: Task, wait: Wait) -> Task:
        """Give the task when it has ended and its audio is kept, or as it stands in the end."""
        start = self._clock.monotonic()
        told_at: float | None = None
        while True:
            change = self._poller.changed(task.local_id)
            task = await self._as_written(task)
            elapsed = self._clock.monotonic() - start
            patience = max(wait.seconds, SUBMIT_GRACE_S if task.status == "submitting" else 0.0)
            if self._is_settled(task) or elapsed >= patience:
                return task
            if told_at is None or elapsed - told_at >= PROGRESS_S:
                await wait.tell(elapsed, task)
                told_at = elapsed
            await self._clock.wait(change, min(GLANCE_S, patience - elapsed))

    async def _as_written(self, task: Task) -> Task:
        """Give the task as the journal has it, or as last known where that cannot be read.

        It may just have been paid for: an error of the journal says that nothing was.
        """
        with suppress(JournalError):
            return await self._journal.find(task.local_id) or task
        return task

    def _is_settled(self, task: Task) -> bool:
        """Whether waiting brings nothing: ended, and its audio kept or not to be; or unfollowed."""
        if task.is_open:
            return task.unfollowed_at is not None and task.status != "submitting"
        return task.is_kept

    # Opening and closing ---------------------------------------------------------------

    async def run(self) -> None:
        """Follow tasks, save clips, tell changes, look after dead processes, until cancelled."""
        self._work.start_soon(self._saver.run)
        self._work.start_soon(self._recovery.run)
        self._work.start_soon(self.feed.run)
        await self._poller.run()

    def _announce(self, local_id: str) -> None:
        self._poller.announce(local_id)

    async def _took_note(self, local_id: str, recorded: Recorded | None) -> None:
        """Pass on what came of a submission: `recorded` is what was accepted."""
        if recorded is not None:
            await self._poller.took_note(recorded)
            self._poller.follow(recorded.task)
        self._poller.announce(local_id)

    async def settled(self) -> None:
        """Come back when no submission is in flight."""
        await self._submitter.settled()


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
