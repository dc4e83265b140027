"""All that the doctor looks at, in the order in which it is told."""

import os
from collections.abc import Callable, Iterable

import anyio
import anyio.to_thread

from song_mcp.doctor import around, program, storage, variables
from song_mcp.doctor.finding import Finding, ok, wrong
from song_mcp.installer import Machine, entries
from song_mcp.settings import Settings
from song_mcp.songs import SERVICES


async def examine(client: str = "") -> list[Finding]:
    """Look at everything, with the variables of this client's entry; "" for the environment.

    If the environment has no service, those of the first entry that has one are taken.
    """
    told, given = _variables(client)
    settings = Settings.read(**given)
    found: dict[str, list[Finding]] = {}

    async def look(name: str, work: Callable[[], Iterable[Finding]]) -> None:
        found[name] = await anyio.to_thread.run_sync(lambda: list(work()))

    async def ask() -> None:
        found["services"] = await around.services(settings)

    async with anyio.create_task_group() as at_once:
        at_once.start_soon(ask)
        at_once.start_soon(look, "program", program.examined)
        at_once.start_soon(look, "storage", lambda: storage.examined(settings))
        at_once.start_soon(look, "clients", lambda: around.clients(Machine.here()))
        at_once.start_soon(look, "port", lambda: [around.http_port()])
    return [
        *found["program"],
        *told,
        *variables.keys(settings),
        *variables.examined(settings, {**os.environ, **given}),
        *found["services"],
        *found["storage"],
        *found["clients"],
        *found["port"],
    ]


def _variables(client: str) -> tuple[list[Finding], dict[str, str]]:
    """Return what is to be said of where the variables are from, and those of a client's entry."""
    found = [each for each in entries(Machine.here()) if each.entry]
    if client:
        own = [each for each in found if each.client.name == client]
        if not own or own[0].entry is None:
            do = f"song-mcp install {client}"
            return [wrong("client", f"{client} has no entry for song-mcp.", do)], {}
        return _told(own[0].client.label), dict(own[0].entry.env)
    if not _has_service({}):
        for each in found:
            if each.entry and _has_service(dict(each.entry.env)):
                return _told(each.client.label), dict(each.entry.env)
    return [], {}


def _told(label: str) -> list[Finding]:
    return [ok("variables", f"Those of the entry of {label} are looked at.")]


def _has_service(given: dict[str, str]) -> bool:
    settings = Settings.read(**given)
    return any(settings.of(each).is_on for each in SERVICES.values())
