"""Values of variables as hosts and people write them: what is around them, what stands for none.

A host that does not know a placeholder passes it on as it is, and some pass one for a field that
the user left empty. No text here holds a value, which may be a key.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
BLANKS = " \t\r\n\v\f\u00a0" + INVISIBLE
QUOTES = (('"', '"'), ("'", "'"), ("`", "`"), ("\u201c", "\u201d"), ("\u2018", "\u2019"))
LEFT_EMPTY = re.compile(r"\$\{user_config\.[^{}]*\}|null|undefined", re.IGNORECASE)
"""What hosts pass for a field that the user left empty: the whole value."""
PLACEHOLDER = re.compile(
    r"\$?\{\{[^{}]*\}\}|\$[{(][^{}()]*[})]|<[^<>]*>"
    r"|(?:^|(?<=[/\\]))(?:\$[A-Za-z_]\w*|%[A-Za-z_]\w*%)"
    r"|^(?:env|input|secrets?):|^process\.env\.|^os\.environ|^op://"
)
"""What stands for a value somewhere else and was not replaced by it."""
FOR_A_KEY = re.compile(
    r"[(\[*]*(?:sk-|key-)?(?:"
    r"your(?:[-_ ]|api|key|token|$).*|(?:insert|enter|paste|replace|put)(?:[-_ ]|me|your|key).*"
    r"|change[-_ ]?me.*|placeholder.*|x{3,}[x_-]*|-{3,}|_{3,})[)\]*]*"
    r"|.*(?:\*{3,}|\.{3,}|\u2026).*|.*[-_ ]here>?|none|todo|redacted|bearer"
    r"|(?-i:[A-Z]+(?:_[A-Z]+)*_KEY)",
    re.IGNORECASE,
)
"""What examples and masked texts have where a key belongs."""
SCHEME = re.compile(
    r"(?:(?:proxy-)?authorization\s*:\s*)?bearer(?:\s+|:\s*)|x-api-key\s*:\s*", re.IGNORECASE
)
KEY = re.compile(r"(?!https?://)[!#-&(-~]+")
"""Visible ASCII without quotes, and no address."""
HOME = re.compile(r"\$HOME(?=/|$)|\$\{(?:env:)?HOME\}(?=/|$)")
FILE_URL = "file://"
ON_DRIVE = re.compile(r"/[A-Za-z]:[/\\]")
"""How the path of a `file:` address begins that names a drive of Windows."""
PLACES = ("USERPROFILE", "APPDATA", "LOCALAPPDATA", "HOMEDRIVE", "HOMEPATH", "ONEDRIVE", "PUBLIC")
"""Windows' variables that name folders of the user's."""
PLACE = re.compile(
    rf"%({'|'.join(PLACES)})%|\$(?:env:|\{{env:)({'|'.join(PLACES)})\b\}}?",
    re.IGNORECASE,
)
"""One of them as Windows, PowerShell and clients write it."""
NOWHERE: Mapping[str, str] = {}
ROOT = "/" if os.sep == "/" else "a drive such as C:\\"


class NotSetError(ValueError):
    """The value stands for none; the text says what it is.

    It `is_left_empty` if hosts pass it for an empty field.
    """

    def __init__(self, text: str, *, is_left_empty: bool = False) -> None:
        """Keep the text, and whether the field was empty."""
        super().__init__(text)
        self.is_left_empty = is_left_empty


def bare(value: str) -> str:
    """Return a value without blanks and quotes around it; raises NotSetError if nothing is left."""
    value = value.strip(BLANKS)
    for before, after in QUOTES:
        inner = value[len(before) : -len(after)]
        if value.startswith(before) and value.endswith(after) and before not in inner:
            value = inner.strip(BLANKS)
    if not value or LEFT_EMPTY.fullmatch(value):
        raise NotSetError("was left empty in the client's settings", is_left_empty=True)
    return value


def replaced(value: str) -> str:
    """Return a value; raises ValueError if it holds a placeholder that nothing replaced."""
    if PLACEHOLDER.search(value):
        raise ValueError(
            "holds a placeholder that your client did not replace: put the value there"
        )
    return value


def key(value: str, variable: str) -> str:
    """Return a key without `Bearer` before it.

    Raises NotSetError for what examples have in place of a key, and ValueError for what is none.
    """
    value = bare(SCHEME.sub("", bare(value)))
    if FOR_A_KEY.fullmatch(value) or value.startswith("<"):
        raise NotSetError("is not a key but an example's word for one: put your key there")
    if PLACEHOLDER.search(value):
        raise ValueError("is not a key but a placeholder that your client did not replace")
    if value.startswith((f"{variable}=", f"export {variable}=")):
        raise ValueError("must be the key alone, without the variable's name")
    if not KEY.fullmatch(value):
        raise ValueError(
            "is not a key: it has a blank, a line end or a character inside that no key has, or is "
            "an address"
        )
    return value


def path(value: str, kind: str = "folder", places: Mapping[str, str] = NOWHERE) -> Path:
    """Return an absolute path, `~` and $HOME expanded; raises ValueError for a relative one.

    `kind` is what it must lead to, as the error says it. `places` are the folders that Windows'
    variables name (`PLACES`), as far as they are set: `%APPDATA%` and the like are expanded.
    """
    value = value.removeprefix(FILE_URL) if value.startswith(f"{FILE_URL}/") else value
    value = value[1:] if ON_DRIVE.match(value) else value
    try:
        home = str(Path.home())
        value = HOME.sub(lambda _: home, value)
        value = PLACE.sub(lambda name: places.get((name[1] or name[2]).upper(), name[0]), value)
        found = Path(replaced(value)).expanduser()
    except RuntimeError:
        raise ValueError(f"must be a {kind}: there is no user with the name after the ~") from None
    if not found.is_absolute():
        raise ValueError(
            f"must be a {kind} from {ROOT} or ~ on: clients start servers in folders of their own, "
            "so a relative one would be another each time"
        )
    return found
