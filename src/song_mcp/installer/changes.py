"""What `install` and `uninstall` do to a client's file: first planned, then done."""

import difflib
import json
import re
import subprocess  # nosec B404 # only clients' own commands are started
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from song_mcp import given
from song_mcp.installer.clients import Client
from song_mcp.installer.documents import Document
from song_mcp.installer.entry import Entry, wanted
from song_mcp.installer.files import RefusedError, copied, read, write
from song_mcp.installer.machine import Machine

SECRET = re.compile(
    r"""(\w*(?:KEY|TOKEN|SECRET|PASSWORD|Authorization)\w*["']?\s*[:=]\s*)("[^"]*"|'[^']*'|[^\s,}]+)"""
)
"""A secret in a line of settings: its name, and its value."""
ANSWERS_WITHIN_S = 60
"""How long a client's own command may take."""


@dataclass(frozen=True)
class Change:
    """A client's file, what stands in it `before` (None if there is no file), and `after`."""

    client: Client
    file: Path
    before: str | None
    after: str | None
    entry: Entry | None
    """Our entry as it is afterwards, None if there is none."""
    was: Entry | None
    """Our entry as it was."""

    @property
    def is_needed(self) -> bool:
        """Whether anything changes."""
        return self.before != self.after

    @property
    def keys_shown(self) -> tuple[str, ...]:
        """The variables of keys that stand in the file itself afterwards."""
        return tuple(each for each in wanted() if self.entry and each in self.entry.env)

    def diff(self) -> str:
        """Return the lines that change, with nothing that looks like a secret in them."""
        lines = difflib.unified_diff(
            (self.before or "").splitlines(keepends=True),
            (self.after or "").splitlines(keepends=True),
            str(self.file),
            str(self.file),
            n=1,
        )
        shown = (line if line.endswith("\n") else f"{line}\n" for line in lines)
        return "".join(SECRET.sub(r"\1...", line.replace("\r\n", "\n")) for line in shown)


def to_install(client: Client, file: Path, entry: Entry, moved: Mapping[str, str]) -> Change:
    """Plan to put an entry into a file; raises RefusedError if the file must stay as it is.

    Variables that an older entry of ours sets are kept, but for example words, and for keys of the
    names in `moved`, which are somewhere else now.
    """
    document = _document(client, file)
    try:
        was = document.entry
        kept = {k: v for k, v in was.env.items() if _is_kept(k, v, moved)} if was else {}
        entry = replace(entry, env=kept | dict(entry.env))
        return Change(client, file, _text(file), document.with_entry(entry), entry, was)
    except ValueError as error:
        raise RefusedError(f"{error}: correct it, or add the entry yourself") from None


def to_uninstall(client: Client, file: Path) -> Change:
    """Plan to take our entry out of a file; raises RefusedError as `to_install` does."""
    document = _document(client, file)
    try:
        was = document.entry
        return Change(client, file, _text(file), document.without_entry(), None, was)
    except ValueError as error:
        raise RefusedError(f"{error}: correct it, or remove the entry yourself") from None


def apply(change: Change, machine: Machine) -> Path | None:
    """Do what was planned; returns the copy of the file as it was, None if it was not there.

    A client that writes its file while it runs is asked to do it itself, if its command is found.
    Raises RefusedError if the file stays as it was.
    """
    if change.client.keeps_state and (program := machine.program(change.client.program)):
        return _by_client(change, program, machine)
    return write(change.file, change.after or "", change.before)


def _by_client(change: Change, program: str, machine: Machine) -> Path | None:
    """Have a client change its own file, and see whether it did; else the file is written here."""
    copy = copied(change.file, change.before) if change.before is not None else None
    if not program.lower().endswith((".cmd", ".bat")):  # their shell would read the quotes anew
        document = Document(change.client, change.after or "")
        name = Document(change.client, change.before or "").name
        if change.was is not None:
            _run(program, machine, "mcp", "remove", "-s", "user", name)
        if change.entry is not None:
            value = json.dumps(document.value)
            _run(program, machine, "mcp", "add-json", "-s", "user", name, value)
    now = _document(change.client, change.file)
    if now.entry != change.entry:
        text = now.with_entry(change.entry) if change.entry else now.without_entry()
        write(change.file, text, _text(change.file))
    return copy


def _run(program: str, machine: Machine, *arguments: str) -> None:
    try:
        subprocess.run(  # noqa: S603 - found by its name in the user's own PATH  # nosec B603
            [program, *arguments],
            env=dict(machine.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ANSWERS_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return  # the file shows what was done


def _is_kept(name: str, value: str, moved: Mapping[str, str]) -> bool:
    if name in moved:
        return False
    if name in wanted():
        try:
            given.key(value, name)
        except given.NotSetError:
            return False
        except ValueError:
            return True
    return True


def _document(client: Client, file: Path) -> Document:
    return Document(client, _text(file) or "")


def _text(file: Path) -> str | None:
    return read(file) if file.is_symlink() or file.exists() else None
