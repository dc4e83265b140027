"""Making a clip's file reachable for PiAPI: its ephemeral upload (`docs/providers.md` 2.13).

The key goes to the one upload host that is set, and no redirect is followed. An upload pays
nothing, so whatever fails here, nothing was charged; a lost answer is harmless.
"""

import base64
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import anyio.to_thread

from song_mcp.errors import (
    BadKeyError,
    BusyError,
    LibraryError,
    MisdirectedError,
    NoAnswerError,
    NotSentError,
    RefusedError,
    ServiceError,
    TooLargeError,
)
from song_mcp.providers.base import LOOPBACK_NAMES, SourceAudio
from song_mcp.providers.http import Reply, ServiceHttp
from song_mcp.providers.redaction import Redaction
from song_mcp.providers.replies import opened, spoken, to_object, to_url, usable_id
from song_mcp.providers.shapes import first, unpacked
from song_mcp.providers.transport import Transport
from song_mcp.songs import SERVICES, public_clip_id
from song_mcp.text import quoted

SERVICE = SERVICES["piapi"]
VARIABLE = "PIAPI_UPLOAD_URL"
PATH = "/api/ephemeral_resource"
OWN_HOSTS = frozenset({"api.piapi.ai", "api.goapi.ai"})
"""PiAPI's own hosts, beside which its own upload is used (`docs/providers.md` 1.1)."""
OWN_UPLOAD = "https://upload.theapi.app"
OUTPUT_DOMAIN = "theapi.app"
"""Where PiAPI keeps results and uploads."""
UDIO_OUTPUTS = ("storage.googleapis.com", "/udio-artifacts-")
"""Where the audio of `music-u` is (`docs/providers.md` 1.6)."""
ENDINGS: Mapping[str, str] = {".mp3": "audio/mpeg", ".wav": "audio/wav"}
MOST_BYTES = 10_000_000
DEADLINE_S = 120.0

UNPAID = "Nothing was paid."
NO_CLIP = "Clip {clip} is not in the library, and PiAPI has no link to it now. {unpaid} {how}"
NO_TASK = "Make a new song instead."
NO_UPLOAD = (
    "PiAPI has no link to clip {clip} now, and for another base URL than PiAPI's own no upload is "
    "known: set PIAPI_UPLOAD_URL. {unpaid}"
)
NOT_READ = "The file of clip {clip} cannot be read ({why}). {unpaid}"
TOO_LARGE = "The clip's file has more than 10 MB, which PiAPI's upload does not take. {unpaid}"
OTHER_ENDING = (
    "PiAPI's upload takes MP3 and WAV files, and that of clip {clip} is another one. {unpaid}"
)
LOST = "PiAPI's upload gave no usable answer, and costs nothing: ask again in a while. {unpaid}"
NEEDS_PLAN = (
    "PiAPI's upload of a file needs its Creator plan or a higher one{said}. {unpaid} A clip made "
    "at PiAPI needs no upload as long as PiAPI has a link to it."
)
BAD_KEY = "PiAPI's upload does not accept the key{said}. {unpaid} Check PIAPI_API_KEY."
REDIRECTED = (
    "PiAPI's upload answered with a redirect, which is not followed with a key. {unpaid} Check "
    "PIAPI_UPLOAD_URL."
)
BUSY = "PiAPI's upload takes no more files for now{said}. {unpaid} Ask again in a minute."
REFUSED = "PiAPI's upload did not take the file (HTTP {status}){said}. {unpaid}"


class Upload:
    """PiAPI's upload for the account of `key`, at `url`, or where PiAPI's own is for `base_url`.

    One may take `deadline_s` seconds in all.
    """

    def __init__(
        self,
        key: str,
        base_url: str,
        url: str = "",
        transport: Transport | None = None,
        *,
        proxy: str = "",
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._url = url or (OWN_UPLOAD if _parts(base_url).hostname in OWN_HOSTS else "")
        self._key = key
        self._deadline_s = deadline_s
        service = replace(SERVICE, label="PiAPI's upload", base_url_variable=VARIABLE)
        headers = {"x-api-key": key}
        proxy = "" if _parts(self._url).hostname in LOOPBACK_NAMES else proxy
        self._http = ServiceHttp(service, self._url, headers, [key], transport, proxy=proxy)

    def has(self, link: str) -> bool:
        """Tell whether a link is one of PiAPI's own, which it can surely reach."""
        parts = _parts(link)
        host = parts.hostname or ""
        if _origin(link) == _origin(self._url):
            return bool(host)
        is_kept = host == OUTPUT_DOMAIN or host.endswith(f".{OUTPUT_DOMAIN}")
        is_udio = host == UDIO_OUTPUTS[0] and parts.path.startswith(UDIO_OUTPUTS[1])
        return parts.scheme == "https" and (is_kept or is_udio)

    async def link_to(self, audio: SourceAudio) -> str:
        """Upload the file of a clip, and return the address that PiAPI can fetch it from.

        Raises LibraryError if there is no file that can be sent, and a ServiceError if PiAPI does
        not take it.
        """
        clip = public_clip_id(audio.clip_id)
        if not audio.file:
            raise LibraryError(NO_CLIP.format(clip=clip, unpaid=UNPAID, how=_how(audio)))
        if not self._url:
            raise LibraryError(NO_UPLOAD.format(clip=clip, unpaid=UNPAID))
        body = await anyio.to_thread.run_sync(partial(_body, Path(audio.file), clip))
        try:
            reply = await self._http.post_read(PATH, body, self._deadline_s)
        except NoAnswerError:
            raise NotSentError(LOST.format(unpaid=UNPAID)) from None
        return self._link_in(reply)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    def _link_in(self, reply: Reply) -> str:
        body = to_object(unpacked(reply.body))
        places = [to_object(body.get("data")), body, {"url": body.get("data")}]
        links = [link for place in places if (link := first(place, ("url",), to_url))]
        is_taken = 200 <= reply.status < 300  # noqa: PLR2004 - HTTP's own numbers
        redaction = Redaction.of(unpacked(reply.body), self._key, self._http.redact)
        if is_taken and links and self._is_usable(links[0]) and redaction.link(links[0]):
            return links[0]
        raise self._refusal(reply)

    def _is_usable(self, link: str) -> bool:
        return _parts(link).scheme == "https" or _origin(link) == _origin(self._url)

    def _refusal(self, reply: Reply) -> ServiceError:
        """Return the error for an answer without an address; by its status, or its own code."""
        code: Any = to_object(reply.body).get("code")
        is_taken = 200 <= reply.status < 300  # noqa: PLR2004 - HTTP's own numbers
        is_told = is_taken and isinstance(code, int) and code in HTTP_STATUSES
        status: int = code if is_told else reply.status
        kind, text = REFUSALS.get(status, (RefusedError, REFUSED))
        if 300 <= status < 400:  # noqa: PLR2004
            kind, text = MisdirectedError, REDIRECTED
        if status == 200 or (not reply.is_json and is_taken):  # noqa: PLR2004
            kind, text = NotSentError, LOST
        redaction = Redaction.of(unpacked(reply.body), self._key, self._http.redact)
        words = redaction.error(spoken(opened(reply.body)))
        said = f" (it said {quoted(words)})" if words else ""
        return kind(text.format(status=status, said=said, unpaid=UNPAID))


HTTP_STATUSES = range(100, 600)
"""Which codes of an answer are statuses: any other number may be anything, and is not told."""
REFUSALS: Mapping[int, tuple[type[ServiceError], str]] = {
    401: (BadKeyError, BAD_KEY),
    403: (RefusedError, NEEDS_PLAN),
    413: (TooLargeError, TOO_LARGE),
    429: (BusyError, BUSY),
}


def _parts(url: str) -> SplitResult:
    """Split an address; one that cannot be split has no parts."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _origin(url: str) -> tuple[str, str]:
    """Return scheme, host and port of an address."""
    parts = _parts(url)
    return parts.scheme, parts.netloc.casefold()


def _how(audio: SourceAudio) -> str:
    """Say how to get the file of a clip into the library."""
    task_id = usable_id(audio.task_id)
    if not task_id or public_clip_id(task_id) != task_id:
        return NO_TASK
    return f"get_task with task_id {task_id} tries to save it; then ask again."


def _body(file: Path, clip: str) -> dict[str, Any]:
    """Read the file of a clip into the body of an upload; raises LibraryError."""
    ending = file.suffix.casefold()
    if ending not in ENDINGS:
        raise LibraryError(OTHER_ENDING.format(clip=clip, unpaid=UNPAID))
    try:
        with file.open("rb") as opened_file:
            content = opened_file.read(MOST_BYTES + 1)
    except OSError as error:
        raise LibraryError(NOT_READ.format(clip=clip, why=error.strerror, unpaid=UNPAID)) from None
    if len(content) > MOST_BYTES:
        raise LibraryError(TOO_LARGE.format(unpaid=UNPAID))
    data = base64.b64encode(content).decode("ascii")
    return {"file_name": f"clip{ending}", "file_data": f"data:{ENDINGS[ending]};base64,{data}"}
