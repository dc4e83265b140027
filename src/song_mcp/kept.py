"""Variables that are kept outside of the environment: in a file, and keys in the system's keyring.

Most clients store the environment of a server in a file of settings, which is synchronised, shared
and shown on screens. So an entry may name a file for the user alone (`SONG_MCP_ENV_FILE`), or say
that the keys are in the keyring (`SONG_MCP_KEYRING`). What is in the environment goes before both.
No text here holds a value.
"""

import io
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from dotenv import parser

from song_mcp import system

LARGEST = 2**18
"""No file of variables is larger, in bytes."""
OTHERS = stat.S_IRWXG | stat.S_IRWXO
NAMED = "names a file "
KEYRING = "song-mcp"
"""Under which name the keyring has the keys; each has its variable as its user name."""
ANSWERS_WITHIN_S = 10.0
"""How long the keyring may take: it may ask the user for a password first."""


def in_file(file: Path) -> dict[str, str]:
    """Return the variables in a file; raises ValueError if it cannot be used as it is."""
    try:
        if not file.is_file():
            raise ValueError(f"{NAMED}that is not there, or is none")
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            data = opened.read(LARGEST + 1)
    except OSError:
        raise ValueError(f"{NAMED}that cannot be read") from None
    if system.HAS_OWNERS and mode & OTHERS:
        raise ValueError(f"{NAMED}that others of this machine may read or write: chmod 600 it")
    if len(data) > LARGEST:
        raise ValueError(f"{NAMED}that is too large for variables")
    return _read(data)


def written(variables: Mapping[str, str]) -> str:
    """Return the text of a file with these variables, in quotes that change nothing in them."""
    return "".join(f"{name}={_quoted(value)}\n" for name, value in variables.items())


def changed(text: str, variables: Mapping[str, str]) -> str:
    """Return the text of a file with these variables at its end; its other lines stay."""
    bindings = parser.parse_stream(io.StringIO(text))
    rest = "".join(each.original.string for each in bindings if each.key not in variables)
    return rest + ("\n" if rest and not rest.endswith("\n") else "") + written(variables)


def in_keyring(variables: Iterable[str]) -> dict[str, str]:
    """Return those of the variables that the keyring has; raises ValueError if it does not answer.

    It is asked in a thread of its own, as it may wait for the user for ever.
    """
    names = tuple(variables)
    return _within(lambda: _ask(names))


def keep_in_keyring(variables: Mapping[str, str]) -> None:
    """Put keys into the keyring; raises ValueError if it does not take them."""

    def put() -> dict[str, str]:
        import keyring

        for name, value in variables.items():
            keyring.set_password(KEYRING, name, value)
        return {}

    _within(put, waits_s=None)


def forget_in_keyring(variables: Iterable[str]) -> None:
    """Remove keys from the keyring; raises ValueError if it does not answer."""
    names = tuple(_within(lambda: _ask(tuple(variables)), waits_s=None))

    def remove() -> dict[str, str]:
        import keyring

        for name in names:
            keyring.delete_password(KEYRING, name)
        return {}

    _within(remove, waits_s=None)


def _read(data: bytes) -> dict[str, str]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{NAMED}that is not UTF-8 text") from None
    bindings = list(parser.parse_stream(io.StringIO(text)))
    for each in bindings:
        if each.error or (each.key is not None and each.value is None):
            line = (
                each.original.line
                + len(each.original.string)
                - len(each.original.string.lstrip("\r\n"))
            )
            raise ValueError(f"{NAMED}whose line {line} is not NAME=VALUE")
    return {each.key: each.value for each in bindings if each.key and each.value}


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _ask(names: tuple[str, ...]) -> dict[str, str]:
    import keyring

    found = {name: keyring.get_password(KEYRING, name) for name in names}
    return {name: value for name, value in found.items() if value}


def _within(
    ask: Callable[[], dict[str, str]], waits_s: float | None = ANSWERS_WITHIN_S
) -> dict[str, str]:
    """Return what the keyring answers, if it does so in time; it may be asked only by a user."""
    from threading import Thread

    answers: list[dict[str, str] | str] = []

    def run() -> None:
        try:
            answers.append(ask())
        except ImportError:
            answers.append("needs the package keyring, which this install of song-mcp lacks")
        except Exception as error:  # noqa: BLE001 - backends raise what they like
            answers.append(f"cannot be answered by the system's keyring ({type(error).__name__})")

    thread = Thread(target=run, name="keyring", daemon=True)
    thread.start()
    thread.join(waits_s)
    answer = answers[0] if answers else "is not answered by the system's keyring in time"
    if isinstance(answer, str):
        raise ValueError(answer)  # noqa: TRY004 - of the setting
    return answer
