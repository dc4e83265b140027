"""MiniMax Music: translation both ways (`docs/providers.md` 9).

A song is one call that runs for minutes and returns the audio. It has no id before its end, and
afterwards nothing can be looked up. So what the answer brings is kept at once: the audio goes from
the answer to a file in the inbox while it comes, and is on the disk before anyone is told. If that
fails, or if the answer breaks off within the audio, what that means for the money is said.
"""

import os
import secrets
from functools import partial
from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync

from song_mcp.errors import (
    InvalidRequestError,
    LibraryError,
    NoAnswerError,
    ServiceError,
    UnknownTaskError,
    UnreadableAnswerError,
)
from song_mcp.inbox import Inbox, Incoming
from song_mcp.providers import verdict
from song_mcp.providers.base import Accepted, SourceAudio, Submission, account_tag
from song_mcp.providers.hex_audio import HexAudio
from song_mcp.providers.http import BODY_CAP_BYTES, Reply, ServiceHttp, unhurried
from song_mcp.providers.minimax_replies import NOTHING_TOLD, Answer, answer_of
from song_mcp.providers.redaction import Redaction
from song_mcp.providers.transport import Inline, Transport
from song_mcp.songs import (
    SERVICES,
    Clip,
    CoverRequest,
    Kind,
    LyricsRequest,
    Report,
    Request,
    ServiceName,
    SongRequest,
    public_clip_id,
)

SERVICE = SERVICES["minimax"]
LABEL = SERVICE.label
SONGS, LYRICS = "/v1/music_generation", "/v1/lyrics_generation"
SONG_DEADLINE_S = 900.0
LYRICS_DEADLINE_S = 130.0
COVER_MODELS = {True: "music-cover-free", False: "music-cover"}
COVER_STYLE, COVER_LYRICS = (10, 300), (10, 1000)
"""How many characters the style and the lyrics of a cover have (`docs/providers.md` 9.4)."""
TOPIC_LIMIT = 2000
SOURCE_CAP_BYTES = 50_000_000
"""How large the audio of the clip may be that a cover is made of."""
AUDIO = {"sample_rate": 44100, "bitrate": 256000, "format": "mp3"}
SOUND = {"output_format": "hex", "audio_setting": AUDIO}
"""What is asked for of the sound: hexadecimal digits need no second host, where links expire."""
FREE, PAID = "it cost nothing", "it was charged"
NOTHING_TO_LOOK_UP = f"{LABEL} keeps no songs and no tasks, so nothing can be looked up there."


class Minimax:
    """MiniMax behind the account of `key`; audio is received in the `inbox`."""

    service: ServiceName = SERVICE.name

    def __init__(
        self,
        key: str,
        base_url: str,
        transport: Transport | None = None,
        *,
        inbox: Inbox,
        proxy: str = "",
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self.account_tag = account_tag(self.service, base_url, key)
        self._http = ServiceHttp(SERVICE, base_url, headers, [key], transport, proxy=proxy)
        self._key = key
        self._inbox = inbox

    def prepare(self, request: Request) -> Submission:
        """Translate a request (`docs/providers.md` 9.1, 9.4, 9.5); sends nothing.

        Raises InvalidRequestError for what a cover or a topic cannot be.
        """
        if isinstance(request, LyricsRequest):
            _check_length("topic", request.topic, (1, TOPIC_LIMIT), "lyrics")
            body = {"mode": "write_full_song", "prompt": request.topic}
            return Submission(self.service, LYRICS, body, LYRICS_DEADLINE_S)
        if isinstance(request, CoverRequest):
            source = request.source
            audio = SourceAudio(source.clip_id, source.task_id, source.service, source.file)
            return Submission(self.service, SONGS, _cover(request), SONG_DEADLINE_S, audio)
        return Submission(self.service, SONGS, _song(request), SONG_DEADLINE_S)

    async def attach(self, submission: Submission) -> Submission:
        """Check the audio that a cover is made of; it is read while it is sent.

        Raises LibraryError if it cannot be sent.
        """
        if submission.audio is not None:
            await run_sync(_check_file, submission.audio)
        return submission

    async def submit(self, submission: Submission) -> Accepted:
        """Make the one POST; returns what was made.

        Raises NotSentError or RefusedError if nothing was charged, and NoAnswerError if
        MiniMax may have made it all the same.
        """
        if submission.path == LYRICS:
            reply = await self._http.post(submission.path, submission.body, submission.deadline_s)
            return await unhurried(partial(self._lyrics, reply, submission), reply.size)
        incoming = self._inbox.receive(submission.local_id)
        try:
            return await self._song(submission, incoming)
        finally:
            await run_sync(incoming.discard)

    async def _song(self, submission: Submission, incoming: Incoming) -> Accepted:
        sieve = _Sieve(incoming, self._inbox)
        audio = submission.audio
        inline = Inline("audio_base64", Path(audio.file)) if audio else None
        try:
            reply = await self._http.post(
                submission.path, submission.body, submission.deadline_s, inline, sieve
            )
        except NoAnswerError as error:
            if not sieve.has_begun:
                raise
            if not sieve.is_whole:
                raise _broken_off(str(error)) from error
            return await self._made(submission, NOTHING_TOLD, sieve, incoming)
        answer = self._read(reply)
        is_error = answer.envelope.kind is not None
        has_audio = sieve.is_whole or bool(answer.audio_url)
        if not has_audio and (is_error or not sieve.has_begun):
            raise _refusal(reply, answer)
        if sieve.has_begun and not sieve.is_whole and not reply.is_json:
            raise _broken_off(f"{LABEL}'s answer broke off, or was too long.")
        return await self._made(submission, answer, sieve, incoming)

    async def _made(
        self, submission: Submission, answer: Answer, sieve: "_Sieve", incoming: Incoming
    ) -> Accepted:
        """Return the song that an answer brought, or that its audio could not be kept."""
        task_id = answer.trace_id or _own_id(submission)
        url = answer.audio_url
        if sieve.has_begun:
            url = await run_sync(incoming.keep) if sieve.is_whole else ""
        if not url:
            fault = incoming.fault or "it is not written as it should be"
            return Accepted(task_id, _lost_audio(submission, task_id, fault))
        return Accepted(task_id, _report(submission, task_id, url, answer))

    def _lyrics(self, reply: Reply, submission: Submission) -> Accepted:
        answer = self._read(reply)
        if answer.lyrics is None:
            raise _refusal(reply, answer)
        task_id = answer.trace_id or _own_id(submission)
        report = Report(task_id, "completed", "success", "lyrics", lyrics=answer.lyrics)
        return Accepted(task_id, report)

    def _read(self, reply: Reply) -> Answer:
        return answer_of(reply, Redaction.of(reply.body, self._key, self._http.redact))

    async def fetch(self, task_id: str) -> Report:  # noqa: ARG002 - the name is the protocol's
        """Raise UnknownTaskError: MiniMax knows no tasks."""
        raise UnknownTaskError(NOTHING_TO_LOOK_UP)

    async def account(self) -> None:
        """Return None: no look at the account is documented for songs (`docs/providers.md` 9.3)."""

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


class _Sieve(HexAudio):
    """Takes the audio out of an answer, of which so much is read as the inbox may take."""

    def __init__(self, incoming: Incoming, inbox: Inbox) -> None:
        super().__init__(incoming.write)
        self.limit = 3 * inbox.cap_bytes + BODY_CAP_BYTES


# Requests --------------------------------------------------------------------------------------


def _song(request: SongRequest) -> dict[str, Any]:
    """Return the body of an instrumental, of a song with own lyrics, or with lyrics of MiniMax.

    What is not given is left out: empty lyrics may be refused.
    """
    body: dict[str, Any] = {"model": request.model.sent_as, **SOUND}
    if request.description:
        body["prompt"] = request.description
    if request.lyrics:
        return body | {"lyrics": request.lyrics}
    return body | {"is_instrumental" if request.instrumental else "lyrics_optimizer": True}


def _cover(request: CoverRequest) -> dict[str, Any]:
    """Return the body of a cover, without the audio."""
    if request.instrumental:
        raise _refuse("A cover by MiniMax is sung: leave instrumental out.")
    _check_length("description", request.description, COVER_STYLE, "the style of a cover")
    body = {"model": COVER_MODELS[request.model.is_free], **SOUND, "prompt": request.description}
    if request.lyrics:
        _check_length("lyrics", request.lyrics, COVER_LYRICS, "a cover")
        body["lyrics"] = request.lyrics
    return body


def _check_length(name: str, value: str, bounds: tuple[int, int], purpose: str) -> None:
    least, most = bounds
    if not least <= len(value) <= most:
        text = f"{name} has {len(value)} characters; {LABEL} takes {least} to {most} for {purpose}."
        raise _refuse(text)


def _refuse(what: str) -> InvalidRequestError:
    return InvalidRequestError(f"{what} Nothing was sent or paid.")


def _check_file(audio: SourceAudio) -> None:
    """Raise LibraryError unless the clip's file can be sent."""
    clip = public_clip_id(audio.clip_id)
    size = _size(audio.file)
    if size is None:
        text = f"{LABEL} makes a cover of the clip's audio, and the library has no file of {clip}."
        raise LibraryError(f"{text} Nothing was sent or paid. get_task with its task saves it.")
    if size > SOURCE_CAP_BYTES:
        most = f"{SOURCE_CAP_BYTES // 1_000_000} MB"
        text = f"The file of clip {clip} has {size} bytes, and {LABEL} takes at most {most}."
        raise LibraryError(f"{text} Nothing was sent or paid.")


def _size(file: str) -> int | None:
    """Return the size of a file in bytes, None if there is none to be read."""
    try:
        with Path(file).open("rb") as opened:
            return os.fstat(opened.fileno()).st_size or None
    except OSError:
        return None


# Replies ---------------------------------------------------------------------------------------


def _broken_off(why: str) -> NoAnswerError:
    """Return the error for an answer of which only a part of the audio came."""
    return NoAnswerError(f"{why} The song was made, and only a part of its audio came.")


def _refusal(reply: Reply, answer: Answer) -> ServiceError:
    """Return the error for an answer that brought nothing."""
    envelope = answer.envelope
    if envelope.is_service and envelope.kind is None:
        return UnreadableAnswerError(f"{LABEL} says that it succeeded, but sent nothing.")
    return verdict.refusal(SERVICE.name, reply, envelope)


def _own_id(submission: Submission) -> str:
    """Return an id for a task that MiniMax gave none."""
    name = submission.local_id.removeprefix("local-") or secrets.token_hex(10)
    return f"{SERVICE.name}-{name}"


def _kind(submission: Submission) -> Kind:
    return "cover" if submission.audio is not None else "song"


def _report(submission: Submission, task_id: str, url: str, answer: Answer) -> Report:
    model = str(submission.body["model"])
    clip = Clip(
        task_id,
        "completed",
        duration_s=answer.duration_s,
        audio_url=url,
        lyrics=str(submission.body.get("lyrics", "")),
        made_with=model,
    )
    return Report(
        task_id,
        "completed",
        "success",
        _kind(submission),
        model,
        clips=(clip,),
        charged="no" if submission.is_free else "yes",
    )


def _lost_audio(submission: Submission, task_id: str, fault: str) -> Report:
    """Return the report of a song that was made and sent, and could not be kept."""
    money = FREE if submission.is_free else PAID
    text = f"{LABEL} made the song and sent it ({money}), but its audio could not be kept: {fault}."
    return Report(
        task_id,
        "failed",
        "success",
        _kind(submission),
        str(submission.body["model"]),
        error=f"{text} It is sent once only.",
        charged="no" if submission.is_free else "yes",
    )
