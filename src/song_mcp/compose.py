"""The composition root: makes the parts of the program from the settings and joins them.

Nothing is opened before the studio's context is entered. A service that is not on gets no adapter.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pkgutil import resolve_name
from urllib.parse import urlsplit

import anyio

from song_mcp.clock import Clock
from song_mcp.downloads import Reach, download
from song_mcp.errors import LibraryError, ServiceError
from song_mcp.inbox import Inbox, is_link
from song_mcp.journal import Journal, Liveness
from song_mcp.library import Library
from song_mcp.providers import Provider
from song_mcp.settings import LOOPBACK_NAMES, Problem, Settings, is_private
from song_mcp.songs import SERVICES, ServiceName
from song_mcp.studio import (
    AccountState,
    Caretaker,
    Catalog,
    Feed,
    Handles,
    Intake,
    Options,
    Poller,
    Recovery,
    Restored,
    Saver,
    Settler,
    Studio,
    Submitter,
    Whereabouts,
)

Fetch = Callable[..., Awaitable[None]]
SAVE_DEADLINE_S = 300.0
DEFAULT_PORTS = {"http": 80, "https": 443}


@asynccontextmanager
async def open_studio(
    settings: Settings, clock: Clock | None = None, *, is_working: bool = True
) -> AsyncIterator[Studio]:
    """Build the studio from the settings and run it; close everything on leaving.

    Without `clock` the system's clock is used. One that is not working can be asked what the
    journal and the library have: it looks at no task, and neither recovers nor saves anything.
    """
    clock = clock or Clock()
    journal = Journal(settings.journal_path, clock.now, unusable=settings.said_of("SONG_MCP_HOME"))
    inbox = Inbox(settings.inbox_path, cap_bytes=settings.clip_bytes)
    providers = _providers(settings, inbox)
    library = library_of(settings, inbox, clock)
    options = Options(
        default_model=settings.default_model,
        default_wait_s=settings.wait_seconds,
        daily_limit=settings.daily_limit,
        blob_cap_bytes=settings.blob_bytes,
        library=library.folder,
        log=settings.log_path,
        wrong=settings.wrong,
        remarks=settings.remarks,
        unfilled=_unfilled(settings),
        why_off={each.name: why for each in SERVICES.values() if (why := settings.why_off(each))},
    )
    try:
        parts = (options, providers, journal, library, inbox, clock)
        async with running(*parts, is_working=is_working) as studio:
            yield studio
    finally:
        with anyio.CancelScope(shield=True):
            for provider in providers.values():
                await provider.close()
            await journal.close()


@asynccontextmanager
async def running(  # noqa: PLR0913 - the parts, each of a type of its own
    options: Options,
    providers: Mapping[ServiceName, Provider],
    journal: Journal,
    library: Library,
    inbox: Inbox,
    clock: Clock,
    *,
    is_working: bool = True,
) -> AsyncIterator[Studio]:
    """Join the parts and run them; leaving waits for submissions in flight and nothing else.

    What runs beside calls is left out if the studio is not working.
    """
    liveness = Liveness(journal.path.parent / "processes", journal.unusable)
    async with AsyncExitStack() as at_the_end, anyio.create_task_group() as work:
        feed = Feed(journal, clock)
        saver = Saver(journal, library, liveness, clock, work, feed.wake)
        at_the_end.push_async_callback(saver.hand_back)
        poller = Poller(providers, journal, clock, saver)
        caretaker = Caretaker(journal, poller, saver, clock, work)
        submitter = Submitter(
            journal=journal,
            liveness=liveness,
            clock=clock,
            work=work,
            poller=poller,
            daily_limit=options.daily_limit,
        )
        recovery = Recovery(journal, liveness, clock, submitter, inbox)
        intake = Intake(journal, inbox, clock, saver)
        whereabouts = Whereabouts(journal, library)
        studio = Studio(
            options=options,
            providers=providers,
            journal=journal,
            clock=clock,
            work=work,
            submitter=submitter,
            poller=poller,
            saver=saver,
            caretaker=caretaker,
            feed=feed,
            restored=Restored(journal, clock, poller),
            catalog=Catalog(journal, library, saver, whereabouts),
            handles=Handles(journal, clock, work, providers, poller, feed, whereabouts),
        )
        settler = Settler(providers, journal, clock, poller, feed)
        for part in (caretaker, recovery, feed, poller, settler, intake) if is_working else ():
            work.start_soon(part.run)
        try:
            yield studio
        finally:
            with anyio.CancelScope(shield=True):
                await studio.settled()
            work.cancel_scope.cancel()


async def look_at_accounts(
    settings: Settings, within_s: float
) -> Mapping[ServiceName, AccountState]:
    """Return what each service that is on says of its account: all are asked at once, for nothing.

    None means that a service tells nothing of it. Neither journal nor library is opened.
    """
    providers = _providers(settings, Inbox(settings.inbox_path, cap_bytes=settings.clip_bytes))
    accounts: dict[ServiceName, AccountState] = {}

    async def ask(provider: Provider) -> None:
        try:
            with anyio.fail_after(within_s):
                accounts[provider.service] = await provider.account()
        except ServiceError as error:
            accounts[provider.service] = str(error)
        except TimeoutError:
            label = SERVICES[provider.service].label
            accounts[provider.service] = f"{label} did not answer within {within_s:.0f} s."

    try:
        async with anyio.create_task_group() as at_once:
            for provider in providers.values():
                at_once.start_soon(ask, provider)
    finally:
        with anyio.CancelScope(shield=True):
            for provider in providers.values():
                await provider.close()
    return {name: accounts[name] for name in providers}


def _providers(settings: Settings, inbox: Inbox) -> dict[ServiceName, Provider]:
    """Return the adapters of the services that are on; no others are imported."""
    providers: dict[ServiceName, Provider] = {}
    for service in SERVICES.values():
        own = settings.of(service)
        if own.is_on:
            make: Callable[..., Provider] = resolve_name(service.adapter)
            key = own.key.get_secret_value() if own.key else ""
            proxy = _proxy(settings, own.base_url)
            parts = {"inbox": inbox} if service.answers_with_audio else {}
            providers[service.name] = make(key, own.base_url, proxy=proxy, **parts, **own.options)
    return providers


def library_of(settings: Settings, inbox: Inbox, clock: Clock) -> Library:
    """Return the library; with wrong settings it saves nothing another way than was meant."""
    closed = settings.said_of("SONG_MCP_PROXY", "SONG_MCP_MEDIA_HOSTS")
    fetch = partial(_refuse, closed) if closed else partial(_download, _reach(settings))
    return Library(
        settings.library_path,
        partial(_fetch, inbox, fetch),
        cap_bytes=settings.clip_bytes,
        clock=clock,
        unusable=settings.said_of("SONG_MCP_LIBRARY"),
    )


def _unfilled(settings: Settings) -> list[Problem]:
    """Return the remarks on keys that are an example's words, which the user meant to replace."""
    keys = {each.key_variable for each in SERVICES.values()}
    return [each for each in settings.remarks if each.variable in keys and not each.is_left_empty]


async def _refuse(why: str, _: str, __: Callable[[bytes], None], *, cap_bytes: int) -> None:  # noqa: ARG001
    """Fetch nothing: with wrong settings it would go another way than was meant."""
    raise LibraryError(f"Nothing is fetched before this is corrected: {why}.")


async def _download(
    reach: Reach, url: str, sink: Callable[[bytes], None], *, cap_bytes: int
) -> None:
    """Pass audio to `sink` from its host."""
    await download(url, sink, cap_bytes=cap_bytes, deadline_s=SAVE_DEADLINE_S, reach=reach)


async def _fetch(
    inbox: Inbox, fetch: Fetch, url: str, sink: Callable[[bytes], None], *, cap_bytes: int
) -> None:
    """Pass audio to `sink`: from the inbox, or by `fetch` from its host."""
    if is_link(url):
        await inbox.fetch(url, sink, cap_bytes=cap_bytes)
    else:
        await fetch(url, sink, cap_bytes=cap_bytes)


def _reach(settings: Settings) -> Reach:
    """Return where downloads may go besides public hosts, and which keys they take there.

    That is to the base URLs that are on this machine, and to those that serve the audio themselves.
    """
    home: set[tuple[str, int]] = set()
    keys: dict[tuple[str, str, int], str] = {}
    for service in SERVICES.values():
        own = settings.of(service)
        parts = urlsplit(own.base_url)
        host = parts.hostname or ""
        if host in LOOPBACK_NAMES or (host and service.serves_audio):
            port = parts.port or DEFAULT_PORTS[parts.scheme]
            home.add((host, port))
            if service.serves_audio and own.key:
                keys[parts.scheme, host, port] = own.key.get_secret_value()
    return Reach(frozenset(home), settings.media_hosts, settings.proxy_url, keys)


def _proxy(settings: Settings, base_url: str) -> str:
    """Return the proxy for a base URL, "" if that is on this machine or in its own network."""
    host = urlsplit(base_url).hostname or ""
    return "" if host in LOOPBACK_NAMES or is_private(host) else settings.proxy_url
