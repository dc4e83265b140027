"""The studio: the use cases, each of which brings services, journal and library together.

A use case decides which parts are asked and what is answered, and nothing else. Only the submitter
spends money, only the poller looks at tasks, and only the saver saves.
"""

import logging
import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from song_mcp import messages
from song_mcp.clock import Clock
from song_mcp.errors import (
    InvalidRequestError,
    JournalError,
    LibraryError,
    NotConfiguredError,
    OlderJournalError,
    ServiceError,
    SongError,
    UnknownClipError,
    UnknownTaskError,
)
from song_mcp.journal import LAST, Journal, Page, Prepared, unpaid
from song_mcp.messages import SETTLED_MEANWHILE as SETTLED
from song_mcp.providers import Account, Provider, Remembering
from song_mcp.songs import (
    SERVICES,
    Ability,
    Clip,
    Model,
    Request,
    Service,
    ServiceName,
    Source,
    Task,
    is_default,
    is_uuid,
    preferred,
    readings,
    why_not_extended,
)
from song_mcp.studio import reconcile
from song_mcp.studio.bills import Bill, bills
from song_mcp.studio.calls import Call, Calls, current_call
from song_mcp.studio.caretaker import Caretaker, is_incomplete
from song_mcp.studio.catalog import NAME_LIMIT, Catalog
from song_mcp.studio.feed import Feed
from song_mcp.studio.handles import Handles
from song_mcp.studio.phase import phase_of
from song_mcp.studio.poller import Poller
from song_mcp.studio.restored import Restored
from song_mcp.studio.results import AccountState, Action, Answer, State, Wait
from song_mcp.studio.saver import Saver
from song_mcp.studio.submitter import Submitter, submission_of
from song_mcp.studio.supervise import going_on
from song_mcp.text import clean

logger = logging.getLogger(__name__)

T = TypeVar("T")

SUBMIT_GRACE_S = 5.0
"""How long, in seconds, even a call that does not wait gives the service to accept or refuse a
submission, if its client can wait so long (`Call.ends_at_s`)."""
PLAY_GRACE_S = 5.0
"""How long, in seconds, a call that shows a clip to be played waits while it is being saved."""
LATE_FOR_S = 3600.0
"""For how many seconds after its end a task is said to have fewer clips than usual."""
QUERY_LIMIT = 200
"""The most characters of what is searched for."""
PROGRESS_S = 4.0
"""How often, in seconds, a waiting call reports progress; clients were promised every 5 s."""


@dataclass(frozen=True)
class Options:
    """What the user set: see the settings of the same names.

    Audio of more than `blob_cap_bytes` is not returned in a resource: clients read its file.

    `wrong` is what is wrong with variables: until it is corrected nothing is paid. `remarks` are on
    variables that count as not set, and `unfilled` those of them that are on keys of services.
    `why_off` says why services are off, if something is the matter with their variables.
    """

    default_model: Model | None
    default_wait_s: float
    daily_limit: int
    blob_cap_bytes: int
    library: Path
    log: Path | None = None
    wrong: Sequence[object] = ()
    remarks: Sequence[object] = ()
    unfilled: Sequence[object] = ()
    why_off: Mapping[ServiceName, str] = field(default_factory=dict)


class Studio:
    """Makes songs with the `providers` that have a key; `compose` joins its parts."""

    def __init__(  # noqa: PLR0913 - the parts, joined by name in `compose` alone
        self,
        *,
        options: Options,
        providers: Mapping[ServiceName, Provider],
        journal: Journal,
        clock: Clock,
        work: TaskGroup,
        submitter: Submitter,
        poller: Poller,
        saver: Saver,
        caretaker: Caretaker,
        feed: Feed,
        restored: Restored,
        catalog: Catalog,
        handles: Handles,
    ) -> None:
        """Take the parts; `work` is the task group in which deliveries are written."""
        self.default_wait_s = options.default_wait_s
        self.blob_cap_bytes = options.blob_cap_bytes
        self.clock = clock
        self.feed = feed
        self.catalog = catalog
        self.handles = handles
        self._options = options
        self._providers = providers
        self._journal = journal
        self._default_model = options.default_model
        self._work = work
        self._submitter = submitter
        self._poller = poller
        self._saver = saver
        self._caretaker = caretaker
        self._restored = restored
        self._calls = Calls()
        self._losing = anyio.Lock()

    # Choosing --------------------------------------------------------------------------

    def model(self, name: str, ability: Ability = "description") -> Model:
        """Return the model called `name`, in any spelling, or for "" the default.

        The default is the one that is set, if it has the `ability`. Else it is the first of the
        user's services that has it, those that work before the others. Raises InvalidRequestError
        if there is no such model, or if the name can mean several.
        """
        if is_default(name):
            return self._default(ability)
        found = readings(name, [SERVICES[each] for each in self._providers], ability)
        if not found:
            raise InvalidRequestError(messages.unknown_model(name))
        if len(found) > 1:
            raise InvalidRequestError(messages.which_model(name, found))
        return found[0]

    def check_settings(self, model_name: str | None = None) -> None:
        """Raise NotConfiguredError if nothing may be paid before the settings are corrected.

        A call may pass the name of its model: one that names none is refused while a key was not
        filled in and no default is set, since it would be paid at another service than was meant.
        """
        self._check_wrong()
        is_open = model_name is not None and is_default(model_name) and not self._default_model
        if is_open and self._options.unfilled:
            raise NotConfiguredError(messages.not_filled_in(self._options.unfilled))

    def check_service(self, service: ServiceName) -> None:
        """Raise NotConfiguredError if a service is not set up, before anybody is asked to pay."""
        self._provider(service)

    def _check_wrong(self) -> None:
        if self._options.wrong:
            raise NotConfiguredError(messages.unpaid(messages.to_correct(self._options.wrong)))

    def can(self, ability: Ability) -> bool:
        """Tell whether a model of the user's services has this ability, and still works."""
        models = (model for name in self._providers for model in SERVICES[name].models)
        return any(each.can(ability) and each.state != "retired" for each in models)

    def _default(self, ability: Ability) -> Model:
        if self._default_model and self._default_model.can(ability):
            return self._default_model
        usable = [each for each in SERVICES.values() if each.name in self._providers]
        try:
            return preferred(usable or SERVICES.values(), ability)
        except LookupError:  # which the request then says
            return self._default_model or preferred(usable)

    async def source(self, name: str) -> tuple[Model, Source, str]:
        """Return the model to continue a clip with, the clip, and a note on the choice.

        A name that has the form of an id but is not in the journal is taken as a song id of the
        service that extends any clip. Raises UnknownClipError, or InvalidRequestError if `name`
        means several clips or a task, if an extension that was never delivered may have changed
        what it means, or if no extension of the clip can work.
        """
        await self._losses_written()
        try:
            with unpaid():
                found = await self.catalog.find(name)
        except UnknownClipError:
            service = next(
                (SERVICES[each] for each in self._providers if SERVICES[each].extends_any_clip),
                None,
            )
            if service is None or not is_uuid(name.strip()):
                raise
            return _by_id(service), Source(name.strip(), service=service.name), ""
        if found.untold is not None:  # a repeated call must extend the same clip, or none
            raise InvalidRequestError(messages.untold(found.untold))
        if reason := why_not_extended(found.task, found.clip):
            raise InvalidRequestError(messages.unpaid(reason))
        task, clip = found.task, found.clip
        model, note = self._continuing(task, clip)
        if model.takes_audio:
            _check_there(task, clip)
        return model, _source(task, clip), " ".join(filter(None, (found.note, note)))

    async def source_of_cover(self, name: str) -> tuple[Source, str]:
        """Return the clip to make a cover of, with its file in the library, and a note on it.

        Any finished clip in the journal will do, whoever made it. Raises as `source` does, and
        InvalidRequestError if there is no audio of it.
        """
        await self._losses_written()
        with unpaid():
            found = await self.catalog.find(name)
            if found.untold is not None:  # a repeated call must be about the same clip, or none
                raise InvalidRequestError(messages.untold(found.untold))
            clip = found.clip
            _check_there(found.task, clip)
            if clip.status == "completed":
                saved = await self._while_it_can(partial(self.catalog.saved, found.task, clip))
                if saved is None:
                    raise InvalidRequestError(messages.still_saved(clip))
                clip = saved.result
        if clip.status != "completed" or not (clip.file or clip.audio_url):
            raise InvalidRequestError(messages.no_audio(found.task, clip))
        return _source(found.task, clip), found.note

    def _continuing(self, task: Task, clip: Clip) -> tuple[Model, str]:
        """Return the model that continues a clip, and a note if it is not the one that made it."""
        service = SERVICES[task.service]
        maker = task.made_by or service.model(clip.made_with)
        if maker is None:
            return self._default_at(service), ""
        if maker.state != "retired" or not service.extends_any_model:
            return maker, ""
        model = self._default_at(service)
        is_same = service.is_same(model.name, maker.name)
        return model, "" if is_same else messages.continued_otherwise(maker, model)

    def _default_at(self, service: Service) -> Model:
        """Return the model that continues a clip of which nobody tells what made it."""
        if service.extends_any_clip:
            return _by_id(service)
        default = self._default_model
        if default and default.service == service.name and default.can("extend"):
            return default
        return preferred([service], "extend")

    # Paying ----------------------------------------------------------------------------

    async def submit(
        self, request: Request, wait: Wait, *, another_take: bool, more: Sequence[Request] = ()
    ) -> Answer:
        """Submit a request once, wait for the song as long as `wait` says, and return the task.

        `more` are other takes of the same, each of which is a submission of its own.

        A request equal to that of a task that is open, in doubt or not delivered joins that task,
        unless `another_take`. A call for another take joins one that such a call began if no client
        was told of it; it is refused while an equal task is in doubt. Raises NotConfiguredError,
        InvalidRequestError, LimitReachedError or JournalError before anything is sent; the task's
        status tells what happens afterwards.
        """
        start = self.clock.monotonic()
        begun = await self.begin(request, another_take=another_take, more=more)
        first = await self._awaited(begun.task, wait, start, begun.note)
        others = [await self._awaited(task, wait, start) for task in begun.others]
        if not others:
            return first
        task = await self._as_written(first.task)  # the others may have taken longer
        return Answer(task, first.note, tuple(other.task for other in others))

    async def _awaited(self, task: Task, wait: Wait, start: float, note: str = "") -> Answer:
        """Wait for a task's end; all that a call waits for together began at `start`."""
        if not task.is_open:
            return await self._looked(task, _Rest(wait, self.clock.monotonic() - start), note)
        task = await self._there(await self._wait(task, wait, start))
        return Answer(task, " ".join(filter(None, (note, self._incomplete(task)))))

    async def begin(
        self, request: Request, *, another_take: bool, more: Sequence[Request] = ()
    ) -> Answer:
        """Begin to submit a request, as `submit` does; return its task without waiting.

        The takes in `more` are begun one after the other. Each joins what an equal call began
        before. If one cannot be begun, the note says which were, and no later one is tried.
        """
        begun = [await self._begin(request, another_take=another_take)]
        refused: SongError | None = None
        for take in more:
            try:
                begun.append(await self._begin(take, another_take=another_take, before=begun))
            except SongError as error:
                refused = error
                break
        first, *others = begun
        if not more:
            return Answer(first.task, first.joined or first.note)
        notes = [messages.takes(request, len(begun), sum(bool(each.joined) for each in begun))]
        if refused is not None:
            notes.append(messages.take_not_begun(len(begun) + 1, len(more) + 1, str(refused)))
        notes += dict.fromkeys(each.note for each in begun)
        note = " ".join(filter(None, notes))
        return Answer(first.task, note, tuple(each.task for each in others))

    async def _begin(
        self, request: Request, *, another_take: bool, before: Sequence["_Begun"] = ()
    ) -> "_Begun":
        """Begin one submission; `before` are those of the call's earlier takes."""
        provider = await self._ready(request.model.service, is_saved=request.kind != "lyrics")
        await self._losses_written()
        await self._restored.notice()
        pay = partial(
            self._submitter.pay,
            request,
            provider,
            another_take=another_take,
            calls=self._calls,
            beside=[each.task.local_id for each in before],
        )
        try:
            prepared = await pay()
        except OlderJournalError:
            earlier = await self._restored.earlier(provider, submission_of(provider, request))
            if earlier is not None and not _is_among(earlier, before):
                self._begun(earlier)
                return _Begun(earlier, messages.JOINED_RESTORED)
            prepared = await pay(is_searched=True)
        self._begun(prepared.task, another_take=another_take)
        joined = _joined(prepared, another_take=another_take)
        note = joined if prepared.is_near else "" if joined else _note(request, prepared)
        return _Begun(prepared.task, joined, note)

    def _begun(self, task: Task, *, another_take: bool = False) -> None:
        """Record that the call under way began or joined a task; nothing is awaited before that."""
        call = self._calls.begun(task.local_id, another_take=another_take)
        if call is not None and call.is_lost:  # the client has gone, and the call goes on
            self.lost(call)

    async def _ready(self, service: ServiceName, *, is_saved: bool) -> Provider:
        """Return the service to pay at; raises if settings or the library's folder are wrong."""
        self._check_wrong()
        provider = self._provider(service)
        if is_saved:
            await self.catalog.check_library()
        return provider

    def _provider(self, service: ServiceName) -> Provider:
        provider = self._providers.get(service)
        if provider is None:
            raise NotConfiguredError(
                messages.no_key(
                    service, has_any=bool(self._providers), remarks=self._options.remarks
                )
            )
        return provider

    # Settling doubts -------------------------------------------------------------------

    async def resolve(self, task_id: str, action: Action, wait: Wait) -> Answer:
        """Settle a task in doubt: check what can be compared, abandon it, or submit it again.

        A task that is to be submitted again is searched for first: if it is found, that is the
        answer, and nothing is sent. Raises UnknownTaskError; InvalidRequestError if the task is not
        in doubt, or is to be submitted again but is not named by its own id; and before a new
        submission whatever `submit` raises.
        """
        with unpaid():
            task = await self.task(task_id)
        reconcile.must_be_in_doubt(task)
        if action == "submit_again" and task_id not in {task.task_id, task.local_id}:
            is_last = task_id.casefold() == LAST
            raise InvalidRequestError(
                messages.NOT_THE_LAST if is_last else messages.not_by_its_id(task)
            )
        if action == "check":
            checked = await self._while_it_can(partial(self._check, task))
            return checked.result if checked else Answer(task, messages.not_answered(task))
        if action == "abandon":
            closed = await self._journal.abandon(task.local_id, messages.abandoned())
            return Answer(closed, "" if closed.status == "abandoned" else SETTLED)
        return await self._submit_again(task, wait)

    async def _check(self, task: Task) -> Answer:
        """Compare what can be compared of a task in doubt."""
        checked, found = await reconcile.check(
            self._journal, self._providers.get(task.service), task, self.clock.now
        )
        self._poller.wake(task.service)
        await self._saver.save_due(checked)
        return Answer(checked, found)

    async def _submit_again(self, task: Task, wait: Wait) -> Answer:
        """Submit a task in doubt again, unless a search, which is free, shows that it was accepted.

        If nothing is found, or nothing can be read, it is paid: the user asked for that.
        """
        await self._restored.check()
        provider = await self._ready(task.service, is_saved=task.kind != "lyrics")
        start = self.clock.monotonic()
        with unpaid():
            found = await reconcile.search(self._journal, provider, task, self.clock.now)
        if found.outcome == "settled":
            return await self._looked(found.task, wait, found.told)
        file = await self._file_of_source(task)
        again = await self._submitter.pay_again(task, provider, file)
        if again is None:
            return Answer(await self.task(task.local_id), SETTLED)
        self._begun(again)
        least_s = self.clock.monotonic() - start + SUBMIT_GRACE_S
        waited = await self._wait(again, wait, start, least_s)
        return Answer(waited, messages.submitted_again(again))

    async def _file_of_source(self, task: Task) -> str:
        """Return where the audio is now that goes along with a task, "" if that is not known.

        The person may have renamed it since, and given its name to another song. Raises
        InvalidRequestError if it is gone.
        """
        source, maker = task.source, task.made_by
        if source is None or not (task.kind == "cover" or (maker and maker.takes_audio)):
            return ""
        with unpaid(), suppress(UnknownClipError):
            found, clip = await self.catalog.clip(source.clip_id)
            _check_there(found, clip)
            return str(clip.file or "")
        return ""

    async def state(self) -> State:
        """Return what the accounts, the journal and the settings say; asks the services."""
        try:
            spending = await self._journal.spending()
        except JournalError as error:
            raise JournalError(" ".join(filter(None, (str(error), self._of_settings())))) from error
        return State(
            accounts=await self._accounts(),
            default_model=self.model("").name,
            paid=spending.paid,
            cost_usd=spending.cost_usd,
            daily_limit=self._options.daily_limit,
            in_doubt=tuple(await self._journal.in_doubt()),
            journal=self._journal.path,
            library=self._options.library,
            log=self._options.log,
            warning=" ".join(filter(None, (await self._to_correct(), await self.warning()))),
        )

    async def _to_correct(self) -> str:
        """Return what must be corrected in the settings, with a folder that cannot be made."""
        try:
            await self.catalog.check_library()
        except LibraryError as error:
            return " ".join(filter(None, (self._of_settings(), str(error))))
        return self._of_settings()

    def _of_settings(self) -> str:
        """Return what must be corrected in the settings and what counts as not set; else ""."""
        wrong = messages.to_correct(self._options.wrong)
        remarks = messages.counts_as_not_set(self._options.remarks)
        return " ".join(filter(None, (wrong, remarks)))

    async def warning(self) -> str:
        """Return what a person must know and confirm of the journal, "" if there is nothing.

        If the journal cannot be read, nothing is known.
        """
        with suppress(JournalError):
            copied = await self._journal.unconfirmed()
            return copied.text if copied else await self._restored.warning()
        return ""

    async def confirm_journal(self, kept_as: str) -> None:
        """Write that a person knows what was saved of the damaged journal with this file name.

        Paid calls are possible again. Raises InvalidRequestError if there is no such file.
        """
        name = clean(kept_as, limit=NAME_LIMIT, lines=False)
        if not await self._journal.confirm(name):
            raise InvalidRequestError(messages.no_copy(name))

    async def _accounts(self) -> Mapping[ServiceName, AccountState]:
        """Return what is known of each service's account; all are asked at once."""
        accounts: dict[ServiceName, AccountState] = dict.fromkeys(SERVICES)

        async def ask(service: ServiceName) -> None:
            accounts[service] = await self._account(service)

        async with anyio.create_task_group() as group:
            for service in SERVICES:
                group.start_soon(ask, service)
        return accounts

    async def _account(self, service: ServiceName) -> AccountState:
        """Return a service's account, the sentence on why it could not be read, or None."""
        provider = self._providers.get(service)
        if provider is None:
            return None
        try:
            read = await self._while_it_can(provider.account)
        except ServiceError as error:
            return str(error)
        return messages.unanswered(service) if read is None else read.result or Account()

    def delivered(self, call: Call) -> None:
        """Write, in the background, what a client was told by the answer to this call.

        An answer that does not tell of what the call began is as good as none.
        """
        if call.begun and not call.told:
            self.lost(call)
            return
        self._calls.told(call)
        self._work.start_soon(self._deliver, call)

    async def _deliver(self, call: Call) -> None:
        """Write it, also if the client hangs up at once."""
        with anyio.CancelScope(shield=True), going_on("writing a delivery"):
            async with call.writing:
                await self._journal.deliver(call.ended, call.told)
            self._calls.written(call)

    def lost(self, call: Call) -> None:
        """Record, in the background, that the answer to this call never reaches its client.

        If it counts as delivered, that is taken back.
        """
        was_told, cut = call.is_told, self._calls.lost(call)
        untold = call.ended if was_told else ()
        if cut or untold:
            self._work.start_soon(self._cut_off, call, cut, untold)

    async def _cut_off(self, call: Call, cut: Collection[str], untold: Collection[str]) -> None:
        """Write it, also if the program is about to end."""
        with anyio.CancelScope(shield=True), going_on("writing that a call was cut off"):
            async with self._losing, call.writing:
                await self._journal.cut_off(cut, untold, is_untold=call.is_told)
            self._calls.cut.difference_update(cut)

    async def _losses_written(self) -> None:
        """Return when the journal knows of the answers that were lost so far.

        What is asked next may be a repetition, and what it means or joins depends on that.
        """
        async with self._losing:
            return

    # Looking up ------------------------------------------------------------------------

    async def look_up(
        self,
        task_id: str,
        service: ServiceName,
        wait: Wait,
        *,
        is_insisted: bool = False,
        get_again: bool = False,
    ) -> Answer:
        """Return a task as it stands; wait for its end as long as `wait` says.

        `task_id` is any name of a task that the catalog takes. If the journal does not know it,
        `service` is asked for it. An ended task is answered from the journal; if something of it is
        missing, its service is asked once more, and clips that are not saved are tried once more,
        at most every 20 s. If it `is_insisted` on that, so are clips that were given up. Files that
        the person deleted are saved again only to `get_again`: those of the task, or the one of the
        clip that `task_id` names. If a look fails, the answer is what was last known, with a note.
        For a task that the journal does not know, UnknownTaskError is raised, or what the service's
        `fetch` raised.
        """
        task = await self.catalog.known_task(task_id)
        if task is None:
            task = await self._look_elsewhere(task_id, service)
        if get_again:
            task = await self.catalog.whereabouts.get_again(task, task_id)
        return await self._looked(task, wait, is_insisted=is_insisted or get_again)

    async def _looked(
        self, task: Task, wait: Wait, note: str = "", *, is_insisted: bool = False
    ) -> Answer:
        """Look at a task and have it saved, as `look_up` does, and wait for that."""
        start = self.clock.monotonic()
        told = await (self._look_now(task) if task.is_open else self._look_again(task, wait))
        self._poller.wake(task.service)
        task = await self._as_written(task)
        await self._caretaker.try_now(task, is_insisted=is_insisted)
        least_s = PLAY_GRACE_S if is_insisted and not task.is_open else 0.0
        task = await self._there(await self._wait(task, wait, start, least_s))
        notes = (note, told, _found(task), self._not_polled(task), self._incomplete(task))
        return Answer(task, " ".join(filter(None, notes)))

    async def _look_again(self, task: Task, wait: Wait) -> str:
        """Ask for what is missing of an ended task, if it is; return a note if that failed.

        A call that does not wait gives the service a moment all the same.
        """
        if not is_incomplete(task) or task.service not in self._providers:
            return ""
        look = _Look(self._poller, task)
        longest_s = min(max(wait.seconds, SUBMIT_GRACE_S), self._left_s())
        if not await self.clock.wait(look, longest_s):
            return messages.not_answered(task)
        return messages.asking_again_failed(task, look.error) if look.error else ""

    def _incomplete(self, task: Task) -> str:
        """Return the sentence on a task that ended a short time ago without all of its clips."""
        now = self.clock.now()
        is_new = task.ended_at is not None and (now - task.ended_at).total_seconds() < LATE_FOR_S
        return messages.incomplete(task) if is_new else ""

    def _not_polled(self, task: Task) -> str:
        """Return the sentence on an open task that is not polled; "" for any other."""
        notes = {"unfollowed": messages.POLLING_STOPPED, "left": messages.NO_LONGER_POLLED}
        return notes.get(phase_of(task, self.clock.now()), "") if task.is_open else ""

    def age_s(self, task: Task) -> float:
        """Return the age of a task in seconds."""
        return task.age_s(self.clock.now())

    async def _look_elsewhere(self, task_id: str, service: ServiceName) -> Task:
        if task_id.startswith("local-") or task_id.casefold() == LAST:
            raise UnknownTaskError(messages.unknown_task(task_id))
        if service not in self._providers:
            why = self._options.why_off.get(service, "")
            raise UnknownTaskError(messages.unknown_without_key(task_id, service, why))
        found = await self._while_it_can(partial(self._adopted, task_id, service))
        if found is None:
            raise ServiceError(messages.unanswered(service))
        return found.result

    async def _adopted(self, task_id: str, service: ServiceName) -> Task:
        """Return a task that the service knows and the journal does not; it is followed then."""
        try:
            report = await self._providers[service].fetch(task_id)
        except UnknownTaskError as error:
            raise UnknownTaskError(f"{error} {messages.elsewhere(service)}") from None
        recorded = await self._journal.adopt(service, self._providers[service].account_tag, report)
        await self._poller.recorded(recorded)
        return recorded.task

    async def _look_now(self, task: Task) -> str:
        """Look at an open task; return a note if that failed, else ""."""
        if not task.is_open or not task.task_id:
            return ""
        if task.service not in self._providers:
            return messages.as_last_known(task.service, self._options.why_off.get(task.service, ""))
        try:
            if await self._while_it_can(partial(self._poller.look, task)) is None:
                return messages.not_answered(task)
        except UnknownTaskError:
            return messages.not_known_now(task)
        except SongError as error:
            return f"As last known; checking it failed: {error}"
        return ""

    async def songs(self, query: str, limit: int) -> Page:
        """Return the newest tasks that match `query` ("" matches all), from the journal alone.

        Raises InvalidRequestError if the query is too long: a shorter one would find other songs.
        """
        query = query.strip()
        if len(query) > QUERY_LIMIT:
            raise InvalidRequestError(messages.long_query(len(query), QUERY_LIMIT))
        page = await self._journal.search(query, limit)
        return replace(page, tasks=tuple(await self.catalog.whereabouts.of(page.tasks)))

    async def bills(self) -> list[Bill]:
        """Return what was spent by month, service and model, from the journal alone."""
        return bills(await self._journal.submitted())

    async def task(self, task_id: str) -> Task:
        """Return a task by its name, from the journal alone; raises UnknownTaskError."""
        return await self.catalog.task(task_id)

    async def _there(self, task: Task) -> Task:
        """Return a task with the files of its clips as they are in the folder now."""
        return await self.catalog.whereabouts.of_task(task)

    # Waiting ---------------------------------------------------------------------------

    async def _wait(
        self, task: Task, wait: Wait, start: float | None = None, least_s: float = 0.0
    ) -> Task:
        """Return the task when it has ended and its audio is saved, or when the wait is over.

        The wait began at `start`, or begins now, and lasts `least_s` seconds at least, but no
        longer than the call can. The task is read at each change, and before each report of
        progress in case a change was missed. A call about a task that is in doubt already waits for
        the first search for it too.
        """
        start = self.clock.monotonic() if start is None else start
        tell_at_s, was_in_doubt = 0.0, task.status == "in_doubt"
        with self.feed.waiting(task.local_id) as waiter:
            while True:
                change = waiter.next_change()
                task = await self._as_written(task)
                elapsed = self.clock.monotonic() - start
                grace_s = SUBMIT_GRACE_S if task.status == "submitting" else 0.0
                patience_s = max(wait.seconds, grace_s, least_s)
                is_searched_for = was_in_doubt and self._is_searched_for(task)
                is_settled = self._is_settled(task) and not is_searched_for
                left_s = min(patience_s - elapsed, self._left_s())
                if is_settled or left_s <= 0:
                    return task
                if elapsed >= tell_at_s:
                    await wait.tell(elapsed, task)
                    tell_at_s = elapsed + PROGRESS_S
                await self.clock.wait(change, min(tell_at_s - elapsed, left_s))

    def _left_s(self) -> float:
        """Return for how many seconds the call being answered can still go on."""
        call = current_call()
        return math.inf if call is None else call.ends_at_s - self.clock.monotonic()

    async def _while_it_can(self, work: Callable[[], Awaitable[T]]) -> "_Done[T] | None":
        """Return what came of `work`, or None if the call cannot go on; `work` does in any case.

        Raises what it raises, as long as somebody waits for it.
        """
        left_s = self._left_s()
        if left_s == math.inf:
            return _Done(await work())
        going = _Going(work)
        self._work.start_soon(going.run)
        await self.clock.wait(going.ended, left_s)
        return going.outcome()

    async def _as_written(self, task: Task) -> Task:
        """Return the task as the journal has it, or as last known if that cannot be read.

        An error of the journal must not be raised here: the task is paid, and the caller needs it.
        """
        with suppress(JournalError):
            return await self._journal.find(task.local_id) or task
        return task

    def _is_settled(self, task: Task) -> bool:
        """Tell whether waiting is useless: the task ended and is saved, or is polled no more."""
        if task.is_open:
            return task.unfollowed_at is not None and task.status != "submitting"
        return task.has_nothing_to_save and not any(clip.is_being_saved for clip in task.clips)

    def _is_searched_for(self, task: Task) -> bool:
        """Tell whether the first search for a task in doubt has not ended yet."""
        provider = self._providers.get(task.service)
        is_asked = isinstance(provider, Remembering) and provider.account_tag == task.followed_by
        return is_asked and task.status == "in_doubt" and task.searches == 0

    async def settled(self) -> None:
        """Return when no submission is in flight."""
        await self._submitter.settled()


@dataclass(frozen=True)
class _Done(Generic[T]):
    """What came of some work."""

    result: T


class _Going(Generic[T]):
    """Work that goes on if nobody can wait for it any longer."""

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._done: _Done[T] | None = None
        self._error: Exception | None = None
        self.ended = anyio.Event()

    async def run(self) -> None:
        """Do the work, and keep what came of it."""
        try:
            self._done = _Done(await self._work())
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error
        finally:
            self.ended.set()

    def outcome(self) -> _Done[T] | None:
        """Return what came of it so far; raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._done


class _Look:
    """A look at an ended task that a call waits for; `error` is why it failed."""

    def __init__(self, poller: Poller, task: Task) -> None:
        self._poller = poller
        self._task = task
        self.error: SongError | None = None

    async def wait(self) -> None:
        """Look, and keep the error."""
        try:
            await self._poller.look_again(self._task)
        except SongError as error:
            self.error = error


def _found(task: Task) -> str:
    """Return the sentence on a task whose answer was lost and that was found since; else ""."""
    return messages.found(task) if task.found_at is not None else ""


def _check_there(task: Task, clip: Clip) -> None:
    """Raise InvalidRequestError if a clip's audio is wanted whose file the person deleted."""
    if why := messages.of_files([replace(task, clips=(clip,))]):
        raise InvalidRequestError(messages.unpaid(why))


def _source(task: Task, clip: Clip) -> Source:
    file = str(clip.file or "")
    return Source(clip.clip_id, task.task_id, clip.title, clip.duration_s, task.service, file)


def _by_id(service: Service) -> Model:
    """Return the model with which the service extends a clip that it is told the id of."""
    by_id = (each for each in service.models if each.can("extend") and not each.takes_audio)
    return next(by_id, service.default_model)


@dataclass(frozen=True)
class _Begun:
    """A task that was begun, or that a call joined: `joined` says so, and what that cost.

    `note` is what is to be known of it beside that, and if there are several takes.
    """

    task: Task
    joined: str
    note: str = ""


def _is_among(task: Task, begun: Sequence[_Begun]) -> bool:
    """Tell whether a task is one of those begun: equal takes are told apart by us alone."""
    return any(each.task.local_id == task.local_id for each in begun)


@dataclass(frozen=True)
class _Rest:
    """What is left of a wait after `spent_s` seconds; progress is counted from its beginning."""

    whole: Wait
    spent_s: float

    @property
    def seconds(self) -> float:
        """How long is still waited, in seconds."""
        return max(0.0, self.whole.seconds - self.spent_s)

    async def tell(self, elapsed_s: float, task: Task) -> None:
        """Tell how the task stands."""
        await self.whole.tell(self.spent_s + elapsed_s, task)


def _note(request: Request, prepared: Prepared) -> str:
    """Return what the person should know about a task that was begun."""
    anew = messages.paid_anew(prepared.lost) if prepared.lost else ""
    return " ".join(filter(None, (anew, messages.remarks(request))))


def _joined(prepared: Prepared, *, another_take: bool) -> str:
    """Return what the person should know about a task that was joined, "" if it was not."""
    if not prepared.joined:
        return ""
    joined = messages.JOINED_TAKE if another_take else messages.JOINED
    joined = messages.joined_near(prepared.task) if prepared.is_near else joined
    other = messages.joined_elsewhere(prepared.task) if prepared.is_of_another else ""
    return " ".join(filter(None, (other, joined)))
