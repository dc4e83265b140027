"""What others do: services, clients, and whoever has the HTTP port. All are asked at once."""

import http.client
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from song_mcp.compose import look_at_accounts
from song_mcp.doctor.finding import Finding, note, ok, wrong
from song_mcp.installer import Machine, entries
from song_mcp.settings import Settings
from song_mcp.songs import SERVICES, ServiceName
from song_mcp.studio import AccountState

LOOK_S = 15.0
"""How long services may take to answer, in seconds."""
HTTP_PORT = 8788
HTTP_S = 2.0
LATE_S = 120.0
"""How many seconds this machine's clock may be wrong."""


async def services(settings: Settings) -> list[Finding]:
    """Return what the services say of the accounts, which costs nothing, and of the time."""
    accounts = await look_at_accounts(settings, LOOK_S)
    return [*_accounts(accounts), *_clock(accounts)]


def _accounts(accounts: Mapping[ServiceName, AccountState]) -> Iterator[Finding]:
    for name, account in accounts.items():
        service = SERVICES[name]
        if isinstance(account, str):
            yield wrong("service", account, f"Check the network and {service.switch}.")
        elif account is None:
            yield note(
                "service",
                f"{service.label} tells nothing of the account, so the key was not tried.",
            )
        elif account.balance_usd is not None:
            yield ok("service", f"{service.label} answers: ${account.balance_usd:.2f} left.")
        elif account.balance_units is not None:
            units = f"about {account.balance_units:.10g} left (the gateway's own unit)"
            yield ok("service", f"{service.label} answers: {units}.")
        else:
            yield ok("service", f"{service.label} answers.")


def _clock(accounts: Mapping[ServiceName, AccountState]) -> Iterator[Finding]:
    times = [each.told_at for each in accounts.values() if each and not isinstance(each, str)]
    told = next(filter(None, times), None)
    if told is None:
        yield note("clock", "It was compared with nobody's: no service told the time.")
        return
    off = (datetime.now(UTC) - told).total_seconds()
    if abs(off) > LATE_S:
        way = "ahead" if off > 0 else "behind"
        yield wrong(
            "clock",
            f"This machine's clock is {abs(off) / 60:.0f} minutes {way}.",
            "Let the system set its clock by the network.",
        )
    else:
        yield ok("clock", "It agrees with a service's.")


def clients(machine: Machine) -> Iterator[Finding]:
    """Yield which clients have an entry, and whether its command is there."""
    has_entry = False
    for found in entries(machine):
        label, name = found.client.label, found.client.name
        if found.why:
            yield note("client", f"{label}: {found.file} was not read: {found.why}")
        elif found.entry is not None and not found.command_exists:
            has_entry = True
            yield wrong(
                "client",
                f"{label}: the command {found.entry.command} of its entry is not there.",
                f"song-mcp install {name}",
            )
        elif found.entry is not None:
            has_entry = True
            yield ok("client", f"{label} has an entry, and its command is there ({found.file}).")
    if not has_entry:
        yield note(
            "client", "No client that song-mcp knows has an entry.", "song-mcp install CLIENT"
        )


def http_port() -> Finding:
    """Return who has the port of `song-mcp serve`."""
    connection = http.client.HTTPConnection("127.0.0.1", HTTP_PORT, timeout=HTTP_S)
    try:
        connection.request("GET", "/health")
        told = json.loads(connection.getresponse().read(4096))
        status, version = told["status"], told["version"]
    except ConnectionRefusedError:
        return ok("HTTP port", f"Nobody listens on {HTTP_PORT}; only song-mcp serve needs it.")
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return note(
            "HTTP port",
            f"Another program has port {HTTP_PORT}.",
            f"For song-mcp serve, take another one: song-mcp serve --port {HTTP_PORT + 1}",
        )
    finally:
        connection.close()
    if status != "ok":
        return wrong(
            "HTTP port",
            f"song-mcp serve runs on {HTTP_PORT}, and cannot use its journal.",
            "See what is said of the journal, then start song-mcp serve again.",
        )
    return ok("HTTP port", f"song-mcp {str(version)[:20]} serves on {HTTP_PORT}.")
