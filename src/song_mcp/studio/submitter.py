"""The submitter: everything between "the user asked" and "the task id is on disk".

Nothing is sent before its row is in the journal and this process shows that it lives. A submission
is sent at most once, by a task of the submitter's own that no caller's cancellation reaches. Its
outcome is in the journal before anyone is told.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import chain, repeat
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from song_mcp import messages
from song_mcp.clock import Clock
from song_mcp.errors import (
    InvalidRequestError,
    JournalError,
    NoAnswerError,
    NotSentError,
    PlanLimitError,
    SongError,
)
from song_mcp.journal import FIRST_TAKE, Journal, Liveness, NewTask, Prepared
from song_mcp.journal.failpoints import Failpoint, reach
from song_mcp.providers import Accepted, Account, Attaching, Provider, Submission
from song_mcp.songs import RANDOM_SEED, SERVICES, Request, SongRequest, Task
from song_mcp.studio.calls import Calls, check_wanted
from song_mcp.studio.poller import Poller
from song_mcp.studio.supervise import going_on

logger = logging.getLogger(__name__)

T = TypeVar("T")

BALANCE_S = 3.0
"""How long, in seconds, a submission waits for the account's balance, which only helps to settle a
doubt."""
DEFAULTS: Mapping[str, int] = {"seed": RANDOM_SEED, "take": 1, "takes": 1}
"""What is not kept of a request, as it was not asked for."""
INSIST_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""The pauses, in seconds, between tries to write a service's answer to a failing disk; the last one
repeats."""


class Submitter:
    """Pays for submissions in the task group `work`, at most `daily_limit` in 24 hours."""

    def __init__(
        self,
        *,
        journal: Journal,
        liveness: Liveness,
        clock: Clock,
        work: TaskGroup,
        poller: Poller,
        daily_limit: int,
    ) -> None:
        """Start with nothing in flight; `poller` gets each task that a service accepted."""
        self._journal = journal
        self._liveness = liveness
        self._clock = clock
        self._work = work
        self._poller = poller
        self._daily_limit = daily_limit
        self._sending: dict[str, anyio.Event] = {}
        self._closing = anyio.Event()

    async def pay(
        self,
        request: Request,
        provider: Provider,
        *,
        another_take: bool,
        calls: Calls,
        is_searched: bool = False,
        beside: Sequence[str] = (),
    ) -> Prepared:
        """Write the task and begin to send it, or return one that the request joins.

        `another_take` and `is_searched` are as in `Journal.prepare`; `calls` tells which calls are
        being answered and which were cut off, and `beside` are our ids of the earlier takes of this
        call. Returns before the service has answered. Raises InvalidRequestError,
        LimitReachedError, OlderJournalError or JournalError before anything is sent; the journal
        tells what happens afterwards.
        """
        submission = submission_of(provider, request)
        await self._show_life()
        new = replace(
            _new_task(request, submission, provider.account_tag, self._liveness.token),
            another_take=another_take,
            is_searched=is_searched,
            beside=tuple(beside),
        )
        if beside:
            new = replace(new, request={**new.request, FIRST_TAKE: beside[0]})
        prepared = await self._journal.prepare(
            new,
            join=True,
            daily_limit=self._daily_limit,
            answered=calls.answered,
            is_over=lambda local_id, owner: local_id in calls.cut or self._liveness.is_dead(owner),
            check=check_wanted,
        )
        if not prepared.joined:  # nothing is awaited between the row and its sending
            self._start(_Sending(prepared.task, new), provider)
        return prepared

    async def pay_again(self, task: Task, provider: Provider, file: str = "") -> Task | None:
        """Close a doubt and begin to send the same submission as a new, linked task.

        `file` is where the audio that goes along is now, "" if it is where it was.
        Returns None if the doubt was settled meanwhile. Raises as `pay` does, and
        InvalidRequestError if the journal does not know what was sent, or once if it was sent from
        another account than `provider` pays from.
        """
        await self._show_life()
        came = await self._journal.submit_again(
            task.local_id, provider.account_tag, self._liveness.token, self._daily_limit, file
        )
        if came.must_ask:
            raise InvalidRequestError(messages.other_account(task))
        if came.written is None:
            return None
        again, new = came.written  # nothing is awaited between the row and its sending
        self._start(_Sending(again, new), provider)
        return again

    def is_sending(self, local_id: str) -> bool:
        """Tell whether this process is sending the task with this id of ours."""
        return local_id in self._sending

    async def settled(self) -> None:
        """Return when no submission is in flight; this process then stops showing that it lives."""
        self._closing.set()
        for sent in list(self._sending.values()):
            await sent.wait()
        await anyio.to_thread.run_sync(self._liveness.leave)

    async def _show_life(self) -> None:
        """Show that this process lives, before anything is written in its name."""
        try:
            await self._liveness.show()
        except OSError as error:
            raise JournalError(messages.no_presence(self._journal.path.parent, error)) from error

    def _start(self, sending: "_Sending", provider: Provider) -> None:
        self._sending[sending.local_id] = anyio.Event()
        self._work.start_soon(self._send, sending, provider)

    async def _send(self, sending: "_Sending", provider: Provider) -> None:
        """Make the one POST and write its outcome; nothing cancels this half-way."""
        with anyio.CancelScope(shield=True):
            try:
                with going_on(f"submitting {sending.local_id}"):
                    await self._send_and_record(sending, provider)
            finally:
                self._sending.pop(sending.local_id).set()

    async def _send_and_record(self, sending: "_Sending", provider: Provider) -> None:
        local_id, new = sending.local_id, sending.new
        try:
            accepted = await self._begin_and_post(sending, provider)
        except NoAnswerError as error:
            what = f"the answer to {local_id} was lost"
            if sending.submission.is_free:
                lost = messages.lost_free(str(error))
                await self._insist(what, lambda: self._journal.reject(local_id, new, lost))
                return
            doubt = messages.in_doubt(sending.task, str(error))
            await self._insist(what, lambda: self._journal.doubt(local_id, new, doubt))
        except SongError as error:  # refused, or the journal failed before the POST
            refusal = await self._explained(sending.task, error)
            what = f"{local_id} was refused"
            await self._insist(what, lambda: self._journal.reject(local_id, new, refusal))
        else:
            if accepted is not None:
                await self._accept(sending, accepted)

    async def _begin_and_post(self, sending: "_Sending", provider: Provider) -> Accepted | None:
        """Make the POST, or return None if the task is no longer ours to send.

        An error of our own while the answer is read leaves a doubt too.
        """
        submission, owner = sending.submission, self._liveness.token
        if submission.audio is not None:
            reach(Failpoint.BEFORE_ATTACH)
            submission = await self._attached(submission, provider)
            reach(Failpoint.AFTER_ATTACH)
        balance_usd = await self._balance(provider)
        if not await self._journal.begin(sending.local_id, owner, balance_usd):
            return None
        reach(Failpoint.BEFORE_POST)
        try:
            return await provider.submit(submission)
        except SongError:
            raise
        except Exception as error:
            logger.exception("the adapter of %s failed", sending.task.service)
            raise NoAnswerError(messages.our_mistake(submission.service)) from error
        finally:
            reach(Failpoint.AFTER_POST)

    async def _attached(self, submission: Submission, provider: Provider) -> Submission:
        """Return the submission with its audio; whatever fails here, nothing was sent or paid."""
        if not isinstance(provider, Attaching):
            raise NotSentError(messages.NOT_ATTACHED)
        try:
            return await provider.attach(submission)
        except NoAnswerError as error:
            raise NotSentError(messages.unpaid(str(error))) from error
        except SongError:
            raise
        except Exception as error:
            logger.exception("the adapter of %s failed", submission.service)
            raise NotSentError(messages.NOT_ATTACHED) from error

    async def _accept(self, sending: "_Sending", accepted: Accepted) -> None:
        local_id, key = sending.local_id, accepted.task_id
        what = f"{local_id} was accepted by {SERVICES[sending.task.service].label} as task {key}"
        logger.info("%s", what)
        recorded = await self._insist(
            what, lambda: self._journal.accept(local_id, sending.new, key, accepted.report)
        )
        await self._poller.recorded(recorded)

    async def _balance(self, provider: Provider) -> float | None:
        """Return the account's balance before the POST, or None if it is not told within 3 s.

        A service that never tells it in US dollars is not asked.
        """
        if not SERVICES[provider.service].tells_balance:
            return None
        account: Account | None = None
        with anyio.move_on_after(BALANCE_S), going_on("reading the balance"), suppress(SongError):
            account = await provider.account()
        return account.balance_usd if account else None

    async def _explained(self, task: Task, error: SongError) -> str:
        """Return the refusal's sentence; if the account's plan is full, with the running songs."""
        if not isinstance(error, PlanLimitError):
            return str(error)
        with suppress(JournalError):
            return messages.plan_full(error, await self._journal.running(task.service))
        return str(error)

    async def _insist(self, what: str, write: Callable[[], Awaitable[T]]) -> T:
        """Write `what` the service answered; if the disk fails, try again and again.

        The submitter gives up only when this process is to end. Then the recovery of another
        process finds the row and writes that it is in doubt, and `what` is in the log alone: a
        person who looks there finds the id of a task that was paid.
        """
        for pause_s in chain(INSIST_S, repeat(INSIST_S[-1])):
            try:
                return await write()
            except JournalError as error:
                logger.error("%s, but this cannot be written yet: %s", what, error)  # noqa: TRY400
                if self._closing.is_set():
                    break
            await self._clock.wait(self._closing, pause_s)
        return await write()


@dataclass(frozen=True)
class _Sending:
    """A submission under way: its row as written, and what a lost row is written from again."""

    task: Task
    new: NewTask

    @property
    def local_id(self) -> str:
        return self.task.local_id

    @property
    def submission(self) -> Submission:
        """What is sent: exactly what the journal holds, for the task with our id."""
        return replace(Submission.of_json(self.new.service, self.new.wire), local_id=self.local_id)


def submission_of(provider: Provider, request: Request) -> Submission:
    """Return what is sent for a request: the adapter's translation, its take and its price."""
    submission = provider.prepare(request)
    take = request.take if isinstance(request, SongRequest) else 1
    return replace(submission, take=take, is_free=request.model.is_free)


def _new_task(request: Request, submission: Submission, account: str, owner: str) -> NewTask:
    return NewTask(
        service=submission.service,
        model=request.model.name,
        kind=request.kind,
        fingerprint=submission.fingerprint,
        title=request.title,
        description=request.description,
        request=_as_json(request) | _timed(request, submission),
        wire=submission.as_json(),
        account=account,
        owner=owner,
    )


def _timed(request: Request, submission: Submission) -> dict[str, str]:
    """Return the times that plain lyrics were sent with: not every service repeats them."""
    timed = submission.timed_lyrics
    is_given = isinstance(request, SongRequest) and request.lyrics == timed
    return {"timed_lyrics": timed} if timed and not is_given else {}


def _as_json(request: Request) -> dict[str, Any]:
    """Return what the user asked for as JSON values, without what was not given."""
    values = asdict(request) | {"model": request.model.name}
    return {name: value for name, value in values.items() if _is_given(name, value)}


def _is_given(name: str, value: object) -> bool:
    """Tell a value from a default; 0 is a value, though it equals False."""
    is_default = value is None or value is False or value == ""
    return not is_default and DEFAULTS.get(name) != value
