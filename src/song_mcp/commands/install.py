"""`song-mcp install`: song-mcp in the settings of MCP clients."""

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from song_mcp.commands.terminal import WRONG, complain

if TYPE_CHECKING:
    from song_mcp.installer import Client, Machine
    from song_mcp.installer.changes import Change
    from song_mcp.installer.entry import Entry
    from song_mcp.installer.keys import Keeper

DESCRIPTION = (
    "Put song-mcp into the settings of MCP clients. It asks for the keys of the services, and "
    "keeps them where only you can read them. What stands in the settings stays as it is, and a "
    "copy of each changed file is kept beside it. Without a client, tell which are found here."
)
PASSING = frozenset({"uvx", "pipx run"})
"""The kinds of installs that are made anew, with nothing but what the command names."""
NO_KEYRING = (
    "This song-mcp is made anew each time, without the package keyring that its server would need. "
    "Use --keys file, or install song-mcp to stay, with uv tool or pipx."
)
NO_HOME = "song-mcp cannot tell where your home folder is: set HOME to it."
EXAMPLE = "song-mcp install claude-desktop cursor"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_clients(parser)
    parser.add_argument(
        "--print",
        action="store_true",
        dest="prints",
        help="print what belongs into the settings, and do nothing else",
    )
    parser.add_argument(
        "--keys",
        choices=("file", "keyring", "none"),
        default="file",
        help="where the keys go: a file for you alone (the default), or the system's keyring; "
        "none asks for no key",
    )
    parser.add_argument(
        "--key-from-env",
        action="store_true",
        help="take the keys from the environment, such as PIAPI_API_KEY, and ask for none",
    )


def add_clients(parser: argparse.ArgumentParser) -> None:
    """Add what `install` and `uninstall` have in common."""
    parser.add_argument(
        "clients", nargs="*", metavar="CLIENT", help="such as claude-desktop, cursor or vscode"
    )
    parser.add_argument("--all", action="store_true", help="every client that is found here")
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would change, and change nothing"
    )


def run(options: argparse.Namespace) -> int:
    """Put song-mcp into the clients that are named; returns the exit status."""
    from song_mcp.installed import install
    from song_mcp.installer import Machine, entry, files, keys, snippet

    try:
        machine = Machine.here()
    except RuntimeError:
        return complain(NO_HOME)
    clients = chosen(options, machine)
    if clients is None:
        return WRONG
    if not clients:
        return _list_found(machine)
    this = install()
    command, *args = this.command
    keeper: Keeper = "keyring" if options.keys == "keyring" else "file"
    if options.prints:
        ours = entry.Entry(command, tuple(args), keys.told(keeper, machine))
        print("\n".join(snippet(client, ours) for client in clients), end="")
        return 0
    try:
        refuse_if_passing(keeper, this.kind)
        there, new = ({}, {}) if options.keys == "none" else _keys(options, keeper, machine)
    except files.RefusedError as error:
        return complain(str(error))
    env = keys.told(keeper, machine) if there or new else {}
    ours = entry.Entry(command, tuple(args), env)
    done = [_put(client, ours, new, machine, dry_run=options.dry_run) for client in clients]
    if not env and options.keys != "none":
        print("No key is kept yet: with one, type this again. ACE-Step of your own needs none.")
    return 0 if all(done) else WRONG


def refuse_if_passing(keeper: "Keeper", kind: str) -> None:
    """Raise RefusedError if the server of such an install could not ask the keeper of its keys."""
    from song_mcp.installer import files

    if keeper == "keyring" and kind in PASSING:
        raise files.RefusedError(NO_KEYRING)


def _put(
    client: "Client",
    ours: "Entry",
    new: Mapping[str, str],
    machine: "Machine",
    *,
    dry_run: bool,
) -> bool:
    """Put our entry into each file of a client, and tell whether all of them took it."""
    from song_mcp.installer import changes, files

    took = True
    for file in client.files(machine):
        try:
            say(changes.to_install(client, file, ours, new), machine, dry_run=dry_run)
        except files.RefusedError as error:
            complain(f"{client.label}: {file} stays as it is: {error}.")
            took = False
    return took


def _keys(
    options: argparse.Namespace, keeper: "Keeper", machine: "Machine"
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the keys that are kept already, and those that are new and kept now.

    Raises RefusedError if they cannot be kept.
    """
    from song_mcp.installer import keys

    there = keys.kept_by(keeper, machine)
    new = {} if options.dry_run else _new_keys(there, from_env=options.key_from_env)
    if new:
        keys.keep(keeper, new, machine)
    return there, new


def chosen(options: argparse.Namespace, machine: "Machine") -> "list[Client] | None":
    """Return the clients that are meant, None if one is not known; it then says so."""
    from song_mcp.installer import CLIENTS

    unknown = [each for each in options.clients if each not in CLIENTS]
    if unknown:
        complain(f"song-mcp knows no client {', '.join(unknown)}. It knows: {', '.join(CLIENTS)}.")
        return None
    if options.all:
        return [each for each in CLIENTS.values() if each.is_here(machine)]
    return [CLIENTS[each] for each in dict.fromkeys(options.clients)]


def say(change: "Change", machine: "Machine", *, dry_run: bool) -> None:
    """Do what was planned, and print it; a dry run prints what would change."""
    from song_mcp.installer import changes

    label, file = change.client.label, change.file
    if not change.is_needed:
        has = "has song-mcp already" if change.entry else "has no song-mcp"
        print(f"{label} {has}: {file}")
    elif dry_run:
        print(change.diff(), end="")
    else:
        copy = changes.apply(change, machine)
        print(
            f"{label} {'has song-mcp now' if change.entry else 'has no song-mcp any more'}: {file}"
        )
        if copy is not None:
            print(f"  What it was is in {copy}")
        print(f"  {change.client.then.format(label=label)}")
    for name in change.keys_shown:
        print(
            f"  {name} stands in that file itself: type the key when asked, and it is kept apart."
        )


def _list_found(machine: "Machine") -> int:
    """Print which clients are on this machine, and what they have been told of song-mcp."""
    from song_mcp.installer import CLIENTS, entries

    told = {each.client.name for each in entries(machine) if each.entry}
    here = [each for each in CLIENTS.values() if each.is_here(machine)]
    for client in here:
        print(f"{client.name}: {client.label}{', has song-mcp' if client.name in told else ''}")
    if not here:
        print("No client that song-mcp knows was found in its usual place.")
    print(f"song-mcp knows: {', '.join(CLIENTS)}.\nType: song-mcp install CLIENT, or --all.")
    return 0


def _new_keys(there: Mapping[str, str], *, from_env: bool) -> dict[str, str]:
    """Return the keys that are new: from the environment, or as a person types them."""
    import os

    from song_mcp.installer import entry

    if from_env:
        found = {name: _key(os.environ.get(name, ""), name) for name in entry.wanted()}
        return {name: key for name, key in found.items() if key}
    if not sys.stdin.isatty():
        return {}
    print("The keys of your services, one after the other; nothing shows while you type.")
    asked = {
        name: _asked(name, label, is_there=name in there) for name, label in entry.wanted().items()
    }
    return {name: key for name, key in asked.items() if key}


def _asked(name: str, label: str, *, is_there: bool) -> str:
    """Return the key that a person types, "" for none; what is no key is asked for again."""
    from getpass import getpass

    otherwise = "keeps the one that is there" if is_there else "skips it"
    while typed := getpass(f"{label} ({name}; Enter {otherwise}): ").strip():
        if key := _key(typed, name):
            return key
    return ""


def _key(typed: str, name: str) -> str:
    """Return a key as it was meant, "" if it is none; it then says so."""
    from song_mcp import given

    if not typed.strip():
        return ""
    try:
        return given.key(typed, name)
    except ValueError as error:
        complain(f"{name} {error}.")
        return ""
