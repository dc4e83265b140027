"""Where the keys go that a person types: a file for the user alone, or the system's keyring."""

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from song_mcp import folders, kept, system
from song_mcp.installer.entry import wanted
from song_mcp.installer.files import RefusedError, read, write
from song_mcp.installer.machine import Machine

Keeper = Literal["file", "keyring"]


def file_of(machine: Machine) -> Path:
    """Return the file in which song-mcp keeps keys on a machine."""
    return machine.own / "keys.env"


def kept_by(keeper: Keeper, machine: Machine) -> Mapping[str, str]:
    """Return the keys that are kept there; raises RefusedError if that cannot be told."""
    try:
        if keeper == "keyring":
            return kept.in_keyring(wanted())
        file = file_of(machine)
        return kept.in_file(file) if file.exists() else {}
    except ValueError as error:
        raise RefusedError(f"{_name(keeper, machine)} {error}") from None


def keep(keeper: Keeper, variables: Mapping[str, str], machine: Machine) -> None:
    """Keep keys; raises RefusedError if that cannot be done."""
    try:
        if keeper == "keyring":
            kept.keep_in_keyring(variables)
        else:
            _keep_in_file(file_of(machine), variables)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise RefusedError(f"{_name(keeper, machine)} {said}") from None


def forget(machine: Machine) -> bool:
    """Remove the file of keys, and ask the keyring to remove its; tells whether there was any.

    Raises RefusedError if the file cannot be removed. A keyring that does not answer has none.
    """
    file = file_of(machine)
    there = file.exists()
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise RefusedError(f"{file} cannot be removed ({error.strerror})") from None
    try:
        had = kept.in_keyring(wanted())
        kept.forget_in_keyring(had)
    except ValueError:
        return there
    return there or bool(had)


def told(keeper: Keeper, machine: Machine) -> Mapping[str, str]:
    """Return the variables by which an entry says where the keys are."""
    if keeper == "keyring":
        return {"SONG_MCP_KEYRING": "true"}
    return {"SONG_MCP_ENV_FILE": str(file_of(machine))}


def _keep_in_file(file: Path, variables: Mapping[str, str]) -> None:
    folders.own(file.parent)
    before = None
    if file.exists():
        if system.HAS_OWNERS:
            file.chmod(stat.S_IRUSR | stat.S_IWUSR)
        before = read(file)
    write(file, kept.changed(before or "", variables), before, keeps_copy=False)


def _name(keeper: Keeper, machine: Machine) -> str:
    return "The keyring" if keeper == "keyring" else f"{file_of(machine)}:"
