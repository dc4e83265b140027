"""The one reader of tasks, clips and lyrics: under which names services send them, and where.

Services of one family send the same things under different names and in different places. Each
thing has one row in a table of names, and both adapters read by it: a new spelling is a new entry,
not a branch. Of several names the first with a usable value counts. JSON that is sent as a text is
unpacked where a structure belongs. Sources: `docs/providers.md` 2.4, 2.9, 3.4, 3.5 and 3.10.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, TypeVar

from song_mcp.providers.accepted import NAMES_OF_TASKS
from song_mcp.providers.http import VALUES_CAP, decoded
from song_mcp.providers.replies import (
    ITEMS_CAP,
    LYRICS_CAP,
    TAG_CAP,
    TAGS_TEXT_CAP,
    WIDTH,
    is_closed,
    to_amount,
    to_line,
    to_message,
    to_object,
    to_percent,
    to_seconds,
    to_tags,
    to_url,
    usable_id,
)
from song_mcp.songs import TITLE_LIMIT, UUID, Clip, Lyrics, ServiceStatus, Wishes
from song_mcp.text import clean

CLIPS_CAP = 50
DEPTH = 5
"""How many levels of places, lists and maps are looked into for clips and drafts."""
NO_WISHES = Wishes()
NO_AUDIO = "The service delivered no finished audio for this clip."

Value = TypeVar("Value")
Names = Mapping[str, tuple[str, ...]]

CLIP: Names = {
    "id": (
        *("clip_id", "clipId", "id"),  # an `id` beside a clip's id is that of the item
        *("song_id", "songId", "music_id", "musicId", "audio_id", "audioId"),
    ),
    "title": ("title",),
    "status": ("status", "state"),
    "audio": (
        *("song_path", "songPath", "audio_url", "audioUrl", "cld2AudioUrl", "cld2_audio_url"),
        *("source_audio_url", "sourceAudioUrl", "audio", "url", "mp3_url", "mp3Url"),
        *("song_url", "songUrl", "music_url", "musicUrl", "audio_urls", "audioUrls"),
        *("audio_file", "audioFile", "file_url", "fileUrl", "play_url", "playUrl", "mp3"),
        *("wav_url", "wavUrl", "wav", "download_url", "downloadUrl", "urls", "links"),
    ),
    "preview": (
        *("stream_audio_url", "streamAudioUrl", "source_stream_audio_url", "sourceStreamAudioUrl"),
        *("stream_url", "streamUrl"),
    ),
    "image": (
        *("image_path", "imagePath", "image_url", "imageUrl", "cld2ImageUrl", "cld2_image_url"),
        *("image_large_url", "imageLargeUrl", "source_image_url", "sourceImageUrl"),
    ),
    "video": ("video_url", "videoUrl", "cld2VideoUrl", "cld2_video_url"),
    "duration": ("duration", "metadata.duration"),
    "tags": ("tags", "metadata.tags", "style"),
    "lyrics": ("lyrics", "lyric", "metadata.prompt"),
    "asked": ("metadata.gpt_description_prompt", "metadata.prompt"),
    "words": (  # what went wrong, the most specific first
        *("error_message", "errorMessage", "error_detail", "metadata.error_message"),
        *("fail_reason", "failReason", "error", "error_type", "metadata.error_type"),
        *("errorType", "error_code", "errorCode"),
    ),
    "model": ("model_name", "modelName", "model"),
    "version": ("major_model_version", "majorModelVersion"),
    "progress": ("progress",),
    "negative_tags": (
        *("metadata.negative_tags", "negative_tags", "metadata.negativeTags", "negativeTags"),
    ),
    "vocal_gender": (
        *("metadata.vocal_gender", "vocal_gender", "metadata.vocalGender", "vocalGender"),
    ),
    "style_weight": (
        *("metadata.control_sliders.style_weight", "metadata.style_weight", "style_weight"),
        *("metadata.styleWeight", "styleWeight"),
    ),
    "weirdness": (
        *("metadata.control_sliders.weirdness_constraint", "metadata.weirdness_constraint"),
        *("weirdness_constraint", "metadata.weirdnessConstraint", "weirdnessConstraint"),
    ),
}
"""Under which names a clip has what; a dot leads into the object before it."""
TASK: Names = {
    "id": NAMES_OF_TASKS,
    "status": ("status", "taskStatus", "task_status", "state"),
    "action": ("action",),
    "reason": (
        *("fail_reason", "failReason", "fail_msg", "failMsg", "error_message", "errorMessage"),
        *("error_msg", "errorMsg", "error", "message", "msg"),
    ),
    "submitted": ("submit_time", "submitTime", "created_at", "createTime"),
    "finished": ("finish_time", "finishTime", "finished_at", "completeTime"),
    "progress": ("progress",),
    "model": ("properties.upstream_model_name", "properties.origin_model_name"),
    "quota": ("quota",),
}
"""Under which names a task of a gateway has what."""
MEDIA = ("media_urls", "mediaUrls")
"""Where a clip lists its media, each with a type, and an encoding if it is encrypted."""
TASK_KEYS = frozenset(
    {*TASK["id"], "action", "progress", "fail_reason", "failReason", "submit_time", "submitTime"}
)
"""What tells a task from the bare lyrics or clip of a Suno-API (`docs/providers.md` 3.4, 3.5)."""
LYRICS = ("lyrics", "lyric", "text", "lyrics_candidates")
PLACES = (
    *("songs", "clips", "items", "sunoData", "suno_data", "tracks", "audios", "musics"),
    *("musicList", "music_list", "songList", "song_list", "audioList", "audio_list"),
    *("data", "response", "result", "results", "output", "outputs", "resultJson", "result_json"),
    *("resultUrls", "result_urls", "list", "records", "choices"),
)
"""Where clips and drafts are, in the order in which these are looked into."""
TELLING = frozenset({*PLACES, *MEDIA, *CLIP["id"], *CLIP["audio"], *CLIP["preview"]})
"""What an object needs one of to be a clip, or to have clips in a place of it."""
NOT_CLIPS = frozenset(
    {"error", "metadata", "meta", "config", "input", "request", "usage", "properties", "detail"}
)
"""What an object has that is no clip, if it is a map of clips by their ids."""
STRUCTURES = frozenset({*PLACES, *MEDIA, *NOT_CLIPS, *LYRICS[3:], "logs", "wallet"})
"""Under which names a structure belongs: a text there that is JSON is unpacked."""

DONE = re.compile(
    r"(?:(?:task|job|music|song|generation|all|status)_)*"
    r"(?:completed?|success|succeed(?:ed)?|successful(?:ly)?|finish(?:ed)?|done|generated)"
    r"|(?:生成|任务)?成功|(?:已|生成|任务)?完成"
)
"""The words that end a task as completed, alone or said of the whole: TEXT_SUCCESS is no end."""
BROKEN = re.compile(
    r"(?:.*_)?(?:fail(?:ed|ure)?|error(?:ed)?|exception|reject(?:ed)?|expired?|timeout|timed_?out|"
    r"time_out|cancel(?:l?ed)?|abort(?:ed)?|refused|denied|invalid|terminated|banned|blocked|"
    r"moderat(?:ed|ion)|stopped|killed|interrupted|unsuccessful|nsfw|violation|flagged|lost|deleted|"
    r"sensitive)"
    r"|failed_.*|error:.*|.*_with_errors|.*(?:失败|超时|已取消|已过期|不通过)"
)
"""The words that end a task as failed, alone or after others: CREATE_TASK_FAILED."""
WAITING = frozenset(
    {"not_start", "not_started", "submitted", "queued", "queueing", "in_queue", "pending"}
)
GOING = re.compile(
    r"(?:.*_)?(?:process(?:ing)?|progress|running|run|started|starting|start|stream(?:ing)?|"
    r"generating|creating|working|doing|active|waiting|accepted|created|uploading|saving|"
    r"first_success|text_success|unknown|staged|init\w*|preparing|partial\w*)|retry.*|.*中"
)
"""The words of a task that goes on. What is in no table here may be an end in other words."""
PACKED = frozenset('{["')
"""What JSON text begins with that holds a structure, or once more JSON text."""
NUMBERED = re.compile(r"(?P<name>[A-Za-z][A-Za-z_]*?)_?(?P<number>[1-9])")
"""A name with the number of the clip that it is about."""
HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
GAPS = re.compile(r"[\s.-]+")
NO_WORDS = re.compile(
    r"(?:no|not|none|null|nil|n/a|ok|0|success|successful|false|no[ _-]?errors?)?[.!]*",
    re.IGNORECASE,
)
"""What is said where there is nothing to say."""
PLAIN_AUDIO = re.compile(r"mp3|mpeg|wav", re.IGNORECASE)
PLAIN_NAME = re.compile(r"\.(?:mp3|wav)(?:[?#]|$)", re.IGNORECASE)
UNSIGNED = re.compile(r"https?://cdn\d*\.suno\.ai/[^?]*", re.IGNORECASE)
"""Suno's own address of a clip, which it gives to nobody without a signature."""


# Names and places ------------------------------------------------------------------------------


def unpacked(body: object) -> object:
    """Return a reply's body with each structure in its place that was sent as JSON text.

    All texts together may have as many values as a body may have.
    """
    return _Unpacker().unpacked(body, 2 * DEPTH)


class _Unpacker:
    def __init__(self) -> None:
        self._left = VALUES_CAP

    def unpacked(self, value: object, depth: int) -> object:
        """Return `value` with what is packed in it, down to `depth` levels of lists and objects."""
        value = self._opened(self._opened(value))
        if isinstance(value, dict) and depth:
            return {
                key: self.unpacked(item, depth - 1) if key in STRUCTURES else item
                for key, item in value.items()
            }
        if isinstance(value, list) and depth:
            return [self.unpacked(item, depth - 1) for item in value]
        return value

    def _opened(self, value: object) -> object:
        """Return what a text holds if it is JSON of an object, a list or a text; else `value`."""
        if not isinstance(value, str) or value.lstrip()[:1] not in PACKED:
            return value
        values = sum(map(value.count, ",[{"))
        if values > self._left:
            return value
        self._left -= values
        is_json, inner = decoded(value.encode(errors="replace"))
        return inner if is_json and isinstance(inner, dict | list | str) else value


def first(value: Mapping[str, Any], names: Sequence[str], read: Callable[[object], Value]) -> Value:
    """Return what `read` makes of the first of the names that has something usable."""
    found = (read(_at(value, name)) for name in names)
    return next((item for item in found if item not in ("", None, ())), read(None))


def _at(value: object, name: str) -> object:
    for part in name.split("."):
        value = to_object(value).get(part)
    return value


def is_task(value: object) -> bool:
    """Tell whether it is a task, and not the lyrics or a clip that some send in its place."""
    return isinstance(value, dict) and bool(TASK_KEYS & value.keys()) and not _names_a_clip(value)


def _names_a_clip(value: Mapping[str, Any]) -> bool:
    """Tell whether an object has a clip's own id, and not those of a task beside it."""
    return bool(first(value, CLIP["id"][:2], usable_id)) and not set(PLACES) & value.keys()


# Statuses --------------------------------------------------------------------------------------


def standing(word: str) -> ServiceStatus:
    """Return a task's status in our words; a word that is not known is no end."""
    folded = _folded(word)
    if DONE.fullmatch(folded):
        return "completed"
    if folded.startswith("retry"):
        return "processing"
    if BROKEN.fullmatch(folded):
        return "failed"
    return "pending" if folded in WAITING else "processing"


def is_known(word: str) -> bool:
    """Tell whether a task's status is a word of one of our tables."""
    return standing(word) != "processing" or GOING.fullmatch(_folded(word)) is not None


def _folded(word: str) -> str:
    """Return a word in small letters with underscores: `CREATE-TASK failed`, `createTaskFailed`."""
    return GAPS.sub("_", HUMP.sub("_", word.strip(" .!"))).casefold()


# Clips -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClipReply:
    """A clip as a service describes it, in our names; "" and None for what it does not tell.

    `has_preview` tells that a preview is told apart from the audio. `is_closed` tells that Suno
    made the clip and gives out no link to it. `words` are what the service says went wrong.
    """

    id: str = ""
    title: str = ""
    status: str = ""
    progress: int | None = None
    audio_url: str = ""
    has_preview: bool = False
    is_closed: bool = False
    image_url: str = ""
    video_url: str = ""
    duration_s: float | None = None
    tags: tuple[str, ...] = ()
    lyrics: str = ""
    words: str = ""
    model: str = ""
    version: str = ""
    asked: str = ""
    wishes: Wishes = NO_WISHES
    is_extension: bool = False

    @property
    def is_broken(self) -> bool:
        """Whether the clip's own status says that it failed."""
        return standing(self.status) == "failed"

    @property
    def is_done(self) -> bool:
        """Whether the clip is final by itself, whatever its task says.

        Without a status of its own it is if it is said to be done to 100 %, or if it has audio
        apart from its preview. Songs of a running Udio task still change, whatever `finished` says
        (`docs/providers.md` 1.3).
        """
        if self.status:
            return standing(self.status) == "completed"
        return bool(self.audio_url) and (self.has_preview or self.progress == 100)  # noqa: PLR2004

    def as_clip(self, clip_id: str, *, has_ended: bool) -> Clip:
        """Return the clip in our words; `has_ended` tells whether its task has.

        At the end of its task each link counts, whatever the words beside it say: only trying it
        shows whether it works.
        """
        clip = Clip(
            clip_id=clip_id,
            title=self.title,
            service_title=self.title,
            duration_s=self.duration_s,
            image_url=self.image_url,
            video_url=self.video_url,
            tags=self.tags,
            lyrics=self.lyrics,
            error=self.words,
            made_with=self.model or self.version,
            wishes=self.wishes,
        )
        if self.audio_url and (has_ended or self.is_done):
            return replace(clip, status="completed", audio_url=self.audio_url)
        if self.is_broken or self.words:
            return replace(clip, status="failed", error=self.words or NO_AUDIO)
        if self.is_closed and (has_ended or self.is_done):
            return replace(clip, status="completed")
        return replace(clip, status="failed", error=NO_AUDIO) if has_ended else clip


NOTHING_KNOWN = ClipReply()
Found = list[tuple[str, ClipReply]]
"""Clips, each with its key in a map, or ""."""


def read_clip(value: Mapping[str, Any]) -> ClipReply:
    """Read one clip by the table of names."""
    links, is_clip_closed = _audio(value)
    version = first(value, CLIP["version"], to_line(TAG_CAP))
    metadata = to_object(value.get("metadata"))
    return ClipReply(
        id=first(value, CLIP["id"], usable_id),
        title=first(value, CLIP["title"], to_line(TITLE_LIMIT)),
        status=first(value, CLIP["status"], to_line(TAG_CAP)),
        progress=first(value, CLIP["progress"], to_percent),
        audio_url=links[0] if links else "",
        has_preview=bool(first(value, CLIP["preview"], to_url)),
        is_closed=is_clip_closed,
        image_url=first(value, CLIP["image"], to_url),
        video_url=first(value, CLIP["video"], to_url),
        duration_s=first(value, CLIP["duration"], to_seconds),
        tags=first(value, CLIP["tags"], to_tags),
        lyrics=_sung(value),
        words=first(value, CLIP["words"], _complaint),
        model=first(value, CLIP["model"], to_line(TAG_CAP)),
        version=version,
        asked=first(value, CLIP["asked"], _verse),
        wishes=_wishes(value),
        is_extension=bool(metadata.get("history"))
        or to_line(TAG_CAP)(metadata.get("task")).casefold() == "extend",
    )


def _wishes(value: Mapping[str, Any]) -> Wishes:
    """Return the wishes that a clip repeats."""
    return Wishes(
        negative_tags=first(value, CLIP["negative_tags"], to_line(TAGS_TEXT_CAP)),
        vocal_gender=first(value, CLIP["vocal_gender"], to_line(TAG_CAP)),
        style_weight=first(value, CLIP["style_weight"], to_amount),
        weirdness=first(value, CLIP["weirdness"], to_amount),
    )


def _audio(value: Mapping[str, Any]) -> tuple[list[str], bool]:
    """Return the links to a clip's audio, the likeliest first, and whether Suno closed another.

    An address of Suno's own without a signature hardly ever works, so it comes last. Media with an
    encoding are encrypted, and are left alone (`docs/providers.md` 3.11).
    """
    named = [link for name in CLIP["audio"] if name in value for link in _links(value[name])]
    links = [url for url in map(to_url, named) if url]
    media = [item for name in MEDIA if name in value for item in _media(value[name])]
    links += [url for item in media if _is_plain(item) and (url := to_url(item.get("url")))]
    is_clip_closed = any(map(is_closed, named)) or any(item.get("encoding") for item in media)
    return sorted(links, key=lambda url: UNSIGNED.fullmatch(url) is not None), is_clip_closed


def _links(value: object, depth: int = 2) -> Iterator[str]:
    """Yield the links that stand under the name of one: itself, in a list, or in an object.

    One with an encoding is encrypted.
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and depth:
        for item in value[:WIDTH]:
            yield from _links(item, depth - 1)
    elif isinstance(value, dict) and depth and not value.get("encoding"):
        for name in CLIP["audio"]:
            yield from _links(value.get(name), depth - 1)


def _media(value: object) -> list[dict[str, Any]]:
    """Return the media of a list or a map, each an object that has at least its address."""
    items = value
    if isinstance(value, dict):
        items = [value] if "url" in value else [*value.values()]
    listed = items[:ITEMS_CAP] if isinstance(items, list) else []
    return _objects([{"url": item} if isinstance(item, str) else item for item in listed])


def _is_plain(item: Mapping[str, Any]) -> bool:
    """Tell whether a medium is MP3 or WAV that anybody can play."""
    kind = item.get("content_type") or item.get("contentType") or item.get("type")
    name = item.get("url")
    is_audio = PLAIN_AUDIO if isinstance(kind, str) else PLAIN_NAME
    told = kind if isinstance(kind, str) else name
    is_known = isinstance(told, str) and is_audio.search(told) is not None
    return is_known and not item.get("encoding")


def _objects(value: object) -> list[dict[str, Any]]:
    items = value[:ITEMS_CAP] if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]


def _sung(value: Mapping[str, Any]) -> str:
    """Return a clip's lyrics; its `prompt` is them only if it has no other place for lyrics."""
    has_place = any(_at(value, name) is not None for name in CLIP["lyrics"])
    is_udios = "lyrics" in value or "song_path" in value
    return first(value, CLIP["lyrics"] if has_place or is_udios else ("prompt",), _verse)


def _verse(value: object) -> str:
    return clean(value, limit=LYRICS_CAP) if isinstance(value, str) else ""


def _complaint(value: object) -> str:
    said = to_message(value)
    return "" if NO_WORDS.fullmatch(said) else said


def read_clips(value: object) -> Found:
    """Return the clips in `value`, wherever it has them, each with its key in a map or "".

    A text is a bare link. An entry of a map may be empty (`docs/providers.md` 2.9).
    """
    return [(key, read_clip(item)) for key, item in islice(_clips_in(value), CLIPS_CAP)]


def _clips_in(value: object, place: str = "", depth: int = DEPTH) -> Iterator[tuple[str, Any]]:
    if isinstance(value, str) and to_url(value):
        yield "", {"url": value}
    if not depth:
        return
    if isinstance(value, list):
        for item in value[:ITEMS_CAP]:
            is_clip = isinstance(item, dict) and _may_be_a_clip(item)
            yield from [("", item)] if is_clip else _clips_in(item, place, depth - 1)
    if isinstance(value, dict):
        yield from _clips_of(value, place, depth)


def _clips_of(value: Mapping[str, Any], place: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield the clips of an object: those in one of its places, itself, or those it is a map of."""
    places = [name for name in PLACES if name in value]
    inside = (list(_clips_in(value[name], name, depth - 1)) for name in places)
    found = next(filter(None, inside), [])
    has_audio = bool(TELLING & value.keys()) and any(_audio(value))
    if found:
        yield from found
    elif not first(value, CLIP["id"], usable_id) and len(songs := _bare(value)) > 1:
        yield from (("", {"url": link}) for link in songs)
    elif len(numbered := _numbered(value)) > 1:
        yield from (("", song) for song in numbered)
    elif is_task(value):
        yield from [("", {**value, "id": None})] if has_audio else []
    elif has_audio or (not places and first(value, CLIP["id"], usable_id)):
        yield "", value
    else:
        yield from _clips_by_key(value, may_be_empty=place in {"songs", "clips"})


def _bare(value: Mapping[str, Any]) -> list[str]:
    """Return the links of a list under the name of one, each of which is a song of its own."""
    lists = [value[name] for name in CLIP["audio"] if isinstance(value.get(name), list)]
    return next(([*_links(items)] for items in lists if items), [])


def _numbered(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the songs of an object that has the names of all of them: `audio_url_1`, `title_1`."""
    songs: dict[str, dict[str, Any]] = {}
    for key, item in islice(value.items(), ITEMS_CAP):
        if found := NUMBERED.fullmatch(key):
            songs.setdefault(found["number"], {})[found["name"]] = item
    return [song for _, song in sorted(songs.items()) if any(_audio(song))]


def _clips_by_key(value: Mapping[str, Any], *, may_be_empty: bool) -> Iterator[tuple[str, Any]]:
    for key, item in islice(value.items(), ITEMS_CAP):
        is_empty = may_be_empty and item in (None, {})
        is_clip = isinstance(item, dict) and _may_be_a_clip(item) and key not in NOT_CLIPS
        if is_empty or is_clip:
            yield key, item or {}
        elif isinstance(item, str) and UUID.fullmatch(key) and to_url(item):
            yield key, {"url": item}


def _may_be_a_clip(value: Mapping[str, Any]) -> bool:
    """Tell whether an object in a list or map of clips is one, though its fields may be empty."""
    names = TELLING & value.keys()
    has_name = any(isinstance(value[name], str) for name in names.difference(PLACES))
    is_shell = any(isinstance(value[name], list | dict) for name in names.intersection(PLACES))
    return (has_name and not is_shell) or (bool(names) and any(_audio(value)))


def as_clips(found: Found, task_id: str, *, has_ended: bool) -> tuple[Clip, ...]:
    """Return the clips in our words, each once, under an id of its own.

    A clip without an id gets its key as its id, or else the task's id, with its number from the
    second clip on. A clip of which nothing is known counts as processing, even if the task ended.
    """
    replies: dict[str, ClipReply] = {}
    links: set[str] = set()
    for number, (key, reply) in enumerate(found, start=1):
        named = reply.id or usable_id(key)
        numbered = task_id if number == 1 else f"{task_id}-{number}"
        clip_id = named or numbered
        if clip_id in replies and not (named and _is_same(replies[clip_id], reply)):
            clip_id = f"{clip_id}-{number}"
        if not named and reply.audio_url in links:
            continue
        links |= {reply.audio_url} - {""}
        known = replies.get(clip_id, NOTHING_KNOWN)
        replies[clip_id] = max(known, reply, key=_worth)
    return tuple(
        reply.as_clip(clip_id, has_ended=has_ended and reply != NOTHING_KNOWN)
        for clip_id, reply in replies.items()
    )


def _is_same(one: ClipReply, other: ClipReply) -> bool:
    """Tell whether two entries with one id are one clip: both may be final only with one link."""
    links = {reply.audio_url.partition("?")[0] for reply in (one, other) if reply.audio_url}
    return len(links) < 2 or one.is_done != other.is_done  # noqa: PLR2004


def _worth(reply: ClipReply) -> tuple[bool, bool, bool]:
    return reply.is_done, bool(reply.audio_url), reply != NOTHING_KNOWN


# Lyrics ----------------------------------------------------------------------------------------


def holds_lyrics(value: object, depth: int = DEPTH) -> bool:
    """Tell whether it is, or has in one of its places, lyrics or a list of drafts, and no clips."""
    if isinstance(value, list):
        items = _objects(value)
        return bool(items) and all(map(_is_lyrics, items))
    inside = [to_object(value).get(name) for name in PLACES] if depth else []
    return _is_lyrics(value) or any(holds_lyrics(each, depth - 1) for each in inside if each)


def lists_lyrics(value: object, depth: int = DEPTH) -> bool:
    """Tell whether it is, or has in one of its places, a list of drafts."""
    if isinstance(value, list):
        return holds_lyrics(value)
    inside = [to_object(value).get(name) for name in PLACES] if depth else []
    return any(lists_lyrics(each, depth - 1) for each in inside if each)


def _is_lyrics(value: object) -> bool:
    names = {*CLIP["audio"], *CLIP["preview"], *CLIP["video"]}
    return isinstance(value, dict) and "text" in value and not names & value.keys()


def read_lyrics(value: object) -> Lyrics | None:
    """Return the drafts in a text, a list or an object (`docs/providers.md` 2.7, 3.5)."""
    drafts = {draft.text: draft for draft in islice(_drafts_in(value), WIDTH)}
    told = [draft for text, draft in drafts.items() if text]
    return replace(told[0], others=tuple(told[1:])) if told else None


def _drafts_in(value: object, depth: int = DEPTH) -> Iterator[Lyrics]:
    if isinstance(value, list) and depth:
        for item in value[:WIDTH]:
            yield from _drafts_in(item, depth - 1)
    elif isinstance(value, dict) and depth:
        title = first(value, CLIP["title"], to_line(TITLE_LIMIT))
        inside = (list(_drafts_in(value.get(name), depth - 1)) for name in (*LYRICS, *PLACES))
        for draft in next(filter(None, inside), []):
            yield replace(draft, title=draft.title or title)
    elif isinstance(value, str) and (text := clean(value, limit=LYRICS_CAP)):
        yield Lyrics("", text)
