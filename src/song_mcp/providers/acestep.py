"""ACE-Step's own server on the user's machine: translation both ways (`docs/providers.md` 10).

It costs nothing, so a submission whose answer was lost is sent again, which at worst has the
machine make a song twice. Its audio is at its own address, under a path that it tells. Whatever a
reply looks like, reading it raises only our own errors.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import anyio.to_thread

from song_mcp.errors import InvalidRequestError, LibraryError, NoAnswerError
from song_mcp.providers import verdict
from song_mcp.providers.accepted import task_id_in
from song_mcp.providers.base import Accepted, Account, SourceAudio, Submission, account_tag
from song_mcp.providers.http import DOUBT_ADVICE, Reply, ServiceHttp, unhurried
from song_mcp.providers.redaction import Redaction
from song_mcp.providers.replies import (
    ITEMS_CAP,
    LYRICS_CAP,
    TAG_CAP,
    opened,
    spoken,
    to_line,
    to_message,
    to_number,
    to_object,
    to_seconds,
    to_tags,
    to_text,
    to_url,
    to_when,
    unreadable,
    usable_id,
)
from song_mcp.providers.shapes import ClipReply, as_clips, standing
from song_mcp.providers.transport import Transport, Upload
from song_mcp.providers.verdict import Envelope, answer_of, has_detail
from song_mcp.songs import (
    RANDOM_SEED,
    SERVICES,
    CoverRequest,
    LyricsRequest,
    Report,
    Request,
    ServiceName,
    ServiceStatus,
    SongRequest,
    public_clip_id,
)
from song_mcp.text import clean

SERVICE = SERVICES["acestep"]
LABEL = SERVICE.label
MODEL = SERVICE.models[0]
RELEASE, QUERY = "/release_task", "/query_result"
AUDIO = "/v1/audio"
RESENT_AFTER_S = (0.5, 2.0)
"""The pauses, in seconds, before a submission is sent again whose answer was lost."""
UPLOAD_DEADLINE_S = 180.0
LARGEST_FILE = 50 * 1024 * 1024
NO_VOICE = "[Instrumental]"
NOT_SUNG = frozenset({"[instrumental]", "[inst]"})
STATUSES: Mapping[str, ServiceStatus] = {"0": "processing", "1": "completed", "2": "failed"}


class AceStep:
    """ACE-Step's server at `base_url`, which may want a `key`; `pause` is awaited with seconds."""

    service: ServiceName = SERVICE.name

    def __init__(
        self,
        key: str,
        base_url: str,
        transport: Transport | None = None,
        *,
        proxy: str = "",
        pause: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.account_tag = account_tag(self.service, base_url, key)
        self._http = ServiceHttp(
            SERVICE, base_url, headers, [key], transport, proxy=proxy, pause=pause
        )
        self._key = key
        self._base_url = base_url.rstrip("/")
        self._pause = pause

    def prepare(self, request: Request) -> Submission:
        """Translate a request (`docs/providers.md` 10.2, 10.4); sends nothing.

        Raises InvalidRequestError for what the server cannot be asked, and for a cover of a clip
        that the library does not hold.
        """
        if isinstance(request, LyricsRequest):
            raise _refused(f"{LABEL} writes no lyrics alone.")
        body = _common(request) | _words(request)
        if not isinstance(request, CoverRequest):
            return Submission(self.service, RELEASE, body, is_free=True)
        source = request.source
        if not source.file:
            clip = public_clip_id(source.clip_id)
            raise _refused(f"Clip {clip} has no file here, which {LABEL} needs: get_task saves it.")
        audio = SourceAudio(source.clip_id, source.task_id, source.service, source.file)
        body |= _of_source(request)
        return Submission(self.service, RELEASE, body, UPLOAD_DEADLINE_S, audio, is_free=True)

    async def attach(self, submission: Submission) -> Submission:
        """Check the file that goes along; raises LibraryError if it is not there or too large."""
        if submission.audio is not None:
            await _file_of(submission.audio)
        return submission

    async def submit(self, submission: Submission) -> Accepted:
        """Make the POST, and make it again if its answer is lost: it costs nothing.

        Raises NotSentError or RefusedError if the server did not take it, LibraryError if the file
        that goes along is gone, and NoAnswerError if each answer was lost.
        """
        for pause_s in RESENT_AFTER_S:
            try:
                return await self._submit_once(submission)
            except NoAnswerError:
                await self._pause(pause_s)
        try:
            return await self._submit_once(submission)
        except NoAnswerError as error:
            tries = f"It was sent {len(RESENT_AFTER_S) + 1} times: check {SERVICE.switch}."
            raise NoAnswerError(str(error).replace(DOUBT_ADVICE, tries), charged="no") from None

    async def _submit_once(self, submission: Submission) -> Accepted:
        upload = await _file_of(submission.audio) if submission.audio else None
        reply = await self._http.post(
            submission.path, submission.body, submission.deadline_s, upload
        )
        read = self._read(reply)
        return Accepted(verdict.accepted_id(self.service, reply, read.envelope))

    async def fetch(self, task_id: str) -> Report:
        """Look at one task; raises UnknownTaskError if the server, which may be new, has none."""
        if not usable_id(task_id):
            raise verdict.unknown_task(self.service, task_id)
        reports = await self.fetch_many([task_id])
        if task_id not in reports:
            raise verdict.unknown_task(self.service, task_id)
        return reports[task_id]

    async def fetch_many(self, task_ids: Sequence[str]) -> Mapping[str, Report]:
        """Look at several tasks in one call; those that the server does not know are left out."""
        reply = await self._http.post_read(QUERY, {"task_id_list": list(task_ids)})
        return await unhurried(partial(self._looked_at, reply, frozenset(task_ids)), reply.size)

    def _looked_at(self, reply: Reply, task_ids: frozenset[str]) -> Mapping[str, Report]:
        read = self._read(reply)
        verdict.check_look(self.service, reply, read.envelope)
        tasks = opened(to_object(reply.body).get("data"))
        if not isinstance(tasks, list):
            raise unreadable(LABEL, "data")
        named = [(usable_id(task.get("task_id")), task) for task in map(to_object, tasks)]
        return {
            task_id: read.redaction.report(self._report(_Task.of(task), task_id))
            for task_id, task in named[:ITEMS_CAP]
            if task_id in task_ids and not _is_unknown(task)
        }

    async def account(self) -> Account:
        """Return nothing of an account, which there is not; raises if the server does not run."""
        reply = await self._http.get("/health")
        verdict.check_look(self.service, reply, self._read(reply).envelope)
        return Account(told_at=reply.date)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    def _read(self, reply: Reply) -> "_Read":
        redaction = Redaction.of(reply.body, self._key, self._http.redact)
        return _Read(redaction, _envelope(reply, redaction))

    def _report(self, task: "_Task", task_id: str) -> Report:
        has_ended = task.status in {"completed", "failed"}
        found = [("", self._clip(take, number)) for number, take in enumerate(task.takes)]
        heard = [each for each in found if each[1].audio_url]
        clips = as_clips(heard, task_id, has_ended=has_ended) if has_ended else ()
        return Report(
            task_id=task_id,
            status=task.status,
            provider_status=task.word,
            model=MODEL.name,
            progress_percent=task.progress_percent,
            clips=clips,
            error=_error(task, has_clips=bool(clips)),
            charged="no",
            cost_usd=0.0,
            created_at=to_when(task.first.get("create_time")),
            asked=_prompt(task.first),
        )

    def _clip(self, take: Mapping[str, Any], number: int) -> ClipReply:
        metas = to_object(take.get("metas"))
        lyrics = clean(to_text(take.get("lyrics")), limit=LYRICS_CAP)
        return ClipReply(
            audio_url=self._link(take.get("file")),
            duration_s=to_seconds(metas.get("duration")),
            tags=_tags(metas, _seed(take.get("seed_value"), number)),
            lyrics="" if lyrics.casefold() in NOT_SUNG else lyrics,
            model=to_line(TAG_CAP)(take.get("dit_model")),
        )

    def _link(self, file: object) -> str:
        """Return where the audio is: at the server's own address, unless it names another one."""
        path = file.strip() if isinstance(file, str) else ""
        if not path or "://" in path.partition("?")[0]:
            return to_url(path)
        if AUDIO not in path:  # the file's own path, which is to be asked for as the others are
            path = f"{AUDIO}?path={quote(path, safe='')}"
        return to_url(f"{self._base_url}/{path.lstrip('/')}")


@dataclass(frozen=True)
class _Read:
    redaction: Redaction
    envelope: Envelope


@dataclass(frozen=True)
class _Task:
    """A task as the server shows it: its status as sent, and one object for each take."""

    word: str
    takes: Sequence[Mapping[str, Any]]
    result: object

    @classmethod
    def of(cls, shown: Mapping[str, Any]) -> "_Task":
        result = opened(shown.get("result"))
        items = result if isinstance(result, list) else [result]
        takes = [item for item in items[: MODEL.most_takes] if isinstance(item, dict)]
        return cls(to_line(TAG_CAP)(shown.get("status")), takes, result)

    @property
    def status(self) -> ServiceStatus:
        """The status in our words; a task that has not begun is pending."""
        status = STATUSES.get(self.word) or standing(self.word)
        is_queued = status == "processing" and self.first.get("stage") == "queued"
        return "pending" if is_queued else status

    @property
    def first(self) -> Mapping[str, Any]:
        return next(iter(self.takes), {})

    @property
    def progress_percent(self) -> int | None:
        share = to_number(self.first.get("progress"))
        is_share = self.status == "processing" and share is not None and 0 < share <= 1
        return int(share * 100) if is_share and share is not None else None


# Requests --------------------------------------------------------------------------------------


def _refused(what: str) -> InvalidRequestError:
    return InvalidRequestError(f"{what} Nothing was sent or paid.")


def _common(request: SongRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "task_type": "text2music",
        "audio_format": "mp3",
        "batch_size": request.takes,
        "thinking": True,
        "use_random_seed": request.seed == RANDOM_SEED,
    }
    if request.seed != RANDOM_SEED:
        if request.seed < 0:
            raise _refused(f"{LABEL} takes a seed from 0 on, or {RANDOM_SEED} for a random one.")
        body["seed"] = request.seed
    if request.duration_s is not None:
        body["audio_duration"] = request.duration_s
    return body


def _words(request: SongRequest) -> dict[str, Any]:
    """Return what is said and sung; a description alone has the server write lyrics and style."""
    if not (request.lyrics or request.instrumental or isinstance(request, CoverRequest)):
        return {"sample_query": request.description}
    lyrics = NO_VOICE if request.instrumental else request.lyrics
    return {"prompt": request.description, "lyrics": lyrics, "vocal_language": "unknown"}


def _of_source(request: CoverRequest) -> dict[str, Any]:
    """Return what is to be made of a clip; a repainted one keeps its length (10.4)."""
    if request.part is None:
        return {"task_type": "cover"}
    if request.duration_s is not None:
        raise _refused("A clip of which a part is made anew keeps its length: no duration_seconds.")
    begin, end = request.part
    length = request.source.duration_s
    kept = {} if length is None else {"audio_duration": length}
    return {"task_type": "repaint", "repainting_start": begin, "repainting_end": end, **kept}


async def _file_of(audio: SourceAudio) -> Upload:
    """Read the file of a clip; raises LibraryError if that is not possible."""
    clip = public_clip_id(audio.clip_id)
    file = anyio.Path(audio.file)
    try:
        if (await file.stat()).st_size > LARGEST_FILE:
            mib = LARGEST_FILE // 2**20
            raise LibraryError(f"The file of clip {clip} has more than {mib} MB. Nothing was sent.")
        content = await file.read_bytes()
    except OSError:
        text = f"The file of clip {clip} cannot be read: get_task saves it again if it is gone."
        raise LibraryError(f"{text} Nothing was sent.") from None
    return Upload("src_audio", f"source{Path(audio.file).suffix.lower()}", content)


# Replies ---------------------------------------------------------------------------------------


def _envelope(reply: Reply, redaction: Redaction) -> Envelope:
    """Read `{"data", "code", "error"}`, or the web framework's `{"detail"}` (10.1, 10.3)."""
    body = to_object(reply.body)
    code = to_text(body.get("code"))
    is_framework = has_detail(reply)
    has_error = code not in verdict.SUCCESS_CODES or bool(spoken(body.get("error")))
    is_error = is_framework or has_error or reply.status >= 300  # noqa: PLR2004 - HTTP's own numbers
    task_id = "" if is_error else task_id_in(answer_of(reply), reply.sent, is_error=False)
    return Envelope(
        task_id="" if redaction.is_secret(task_id) else task_id,
        code=redaction.code(code),
        message=redaction.error(spoken(body)),
        is_service=is_framework or ("data" in body and bool(code)) or bool(task_id),
        is_framework=is_framework,
    )


def _is_unknown(task: Mapping[str, Any]) -> bool:
    """Tell whether this is what the server shows for a task that it does not have (10.3)."""
    return to_text(task.get("status")) == "0" and opened(task.get("result")) == []


def _error(task: _Task, *, has_clips: bool) -> str:
    if task.status == "failed":
        told = (to_message(take.get("error")) for take in task.takes)
        bare = to_message(task.result) if isinstance(task.result, str) else ""
        return next(filter(None, told), bare) or f"{LABEL} gave no reason."
    if task.status == "completed" and not has_clips:
        return f"{LABEL} calls the task completed, but gave no audio."
    return ""


def _prompt(take: Mapping[str, Any]) -> str:
    return clean(to_text(take.get("prompt")), limit=LYRICS_CAP)


def _seed(value: object, number: int) -> str:
    """Return the seed of a take, counted from 0, of those of all takes: "12,34"."""
    seeds = to_text(value).split(",")
    seed = seeds[number].strip() if number < len(seeds) else ""
    return seed if seed.isdecimal() else ""


def _tags(metas: Mapping[str, Any], seed: str) -> tuple[str, ...]:
    bpm, key = to_text(metas.get("bpm")), to_line(TAG_CAP)(metas.get("keyscale"))
    told = [*to_tags(metas.get("genres")), f"{bpm} bpm" if bpm else "", key]
    return tuple(filter(None, (*told, f"seed {seed}" if seed else "")))
