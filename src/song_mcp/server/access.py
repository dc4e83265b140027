"""Who may use the server over HTTP: whoever has the token.

Every user and every program of a machine can connect to its loopback address. The token is random,
and stands in a file that its owner alone can read, so only the owner's programs can spend money.
If files have no owners (`system.HAS_OWNERS`), the rights of the folder, which lies in the user's
profile unless `SONG_MCP_HOME` says otherwise, keep others out.
"""

import os
import re
import secrets
import stat
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from song_mcp import files, folders, system
from song_mcp.errors import SongError
from song_mcp.server.delivery import CONNECTION, App, Receive, Scope, Send

TOKEN = re.compile(r"[\x21-\x7e]{20,200}")
"""What a token may be; ours are 43 letters, digits, - and _. A person may write another one."""
LONGEST_FILE = 1000
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | system.BINARY
FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO
REFUSAL = JSONResponse(
    {"error": "song-mcp needs the token that `song-mcp serve` prints: Authorization: Bearer TOKEN"},
    status_code=401,
    headers={"WWW-Authenticate": 'Bearer realm="song-mcp"', "Cache-Control": "no-store"},
)


class TokenError(SongError):
    """The token cannot be kept, or its file is not one that its owner alone can read."""


class NoPlaceError(TokenError):
    """The folder or file of the token cannot be used."""


class Guard:
    """An ASGI app that passes requests with the token on to another one, and refuses all others."""

    def __init__(self, app: App, token: str | None) -> None:
        """Guard `app`; without a token everyone is let in."""
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if not self._lets_in(scope):
            await REFUSAL(scope, receive, send)
            return
        scope["state"][CONNECTION].is_let_in = True
        await self._app(scope, receive, send)

    def _lets_in(self, scope: Scope) -> bool:
        if self._token is None:
            return True
        kind, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        is_right = secrets.compare_digest(given.strip().encode(), self._token.encode())
        return is_right and kind.lower() == "bearer"


def kept_token(file: Path) -> str:
    """Return the token that this file holds; the file is made if it is not there.

    Raises:
        NoPlaceError: the file cannot be made or read.
        TokenError: it holds no token, or is not private.
    """
    try:
        folders.own(file.parent)
        if not file.exists():
            _make(file)
        return _read(file)
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise NoPlaceError(f"song-mcp cannot keep its token in {file}: {reason}.") from None


def new_token() -> str:
    """Return a new token."""
    return secrets.token_urlsafe(32)


def _make(file: Path) -> None:
    """Put a new token into this file, whole and at once; another process may be faster."""
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, NEW, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as opened:  # noqa: PTH123 - a descriptor
            opened.write(f"{new_token()}\n")
        _name(draft, file)
    finally:
        files.remove(draft)


def _name(draft: Path, file: Path) -> None:
    """Give a draft its name, unless that is taken."""
    try:
        os.link(draft, file)
    except FileExistsError:
        return
    except OSError:  # no hard links here: if two processes do this at once, the second one's counts
        if not file.exists():
            files.patiently(draft.replace, file)


def _read(file: Path) -> str:
    with file.open("rb") as opened:
        found = os.fstat(opened.fileno())
        content = opened.read(LONGEST_FILE)
    if system.HAS_OWNERS and (found.st_uid != system.user_id() or found.st_mode & FOR_OTHERS):
        raise TokenError(
            f"Others may have read or written the token in {file}. "
            "Delete that file, and song-mcp makes a new one."
        )
    token = content.decode("ascii", "replace").strip()
    if not TOKEN.fullmatch(token):
        raise TokenError(
            f"{file} holds no token: 20 to 200 visible ASCII characters without a blank. "
            "Delete that file, and song-mcp makes one."
        )
    return token
