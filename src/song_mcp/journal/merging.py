"""What a report's list of clips means for the clips that are known: pure functions, no SQL.

A service may give a clip another id while its task runs, list it twice, or leave it out later. In
an ended task every clip is in the service's last list, or was saved, or has a link that was not
tried yet, or could not be saved because of the library's folder. What is known of a clip never
becomes less: finished audio stays finished, an empty value hides none, and an earlier link is kept
until the clip is saved.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from song_mcp.songs import Clip, Wishes

EARLIER_LINKS = 2
"""How many earlier links of a clip are kept, beside the newest."""
KEPT = (
    "service_title", "duration_s", "image_url", "video_url", "tags", "lyrics", "made_with",
    "wishes",
)  # fmt: skip
"""The fields of which a known value is kept if a report has none."""
NOTHING = (None, "", (), Wishes())


@dataclass(frozen=True)
class Merged:
    """What is to be written: the listed clips in order, those called otherwise, those gone.

    `renamed` maps the old id of a clip to its new one, which is in `clips`.
    """

    clips: tuple[Clip, ...]
    renamed: Mapping[str, str]
    gone: tuple[str, ...]


def merged(
    known: Sequence[Clip], told: Sequence[Clip], task_id: str, *, was_ended: bool, is_ended: bool
) -> Merged:
    """Return what a report's clips, `told`, make of the `known` ones of the task `task_id`.

    `was_ended` tells whether the task had ended before, `is_ended` whether the report says so. Of a
    report that is older than the end only finished audio is taken.
    """
    is_late = was_ended and not is_ended
    told = _once(clip for clip in told if not is_late or _has_audio(clip))
    renamed = _renamed(known, told, task_id)
    by_id = {renamed.get(clip.clip_id, clip.clip_id): clip for clip in known}
    clips = tuple(_taken(by_id.get(clip.clip_id), clip, is_late=was_ended) for clip in told)
    unlisted = by_id.keys() - {clip.clip_id for clip in told}
    is_list = is_ended or (bool(told) and not was_ended)
    gone = tuple(
        key for key in by_id if key in unlisted and _is_ghost(by_id[key], is_replaced=bool(told))
    )
    return Merged(clips, renamed, gone if is_list else ())


def _has_audio(clip: Clip) -> bool:
    return clip.status == "completed" and bool(clip.audio_url)


def _is_ghost(clip: Clip, *, is_replaced: bool) -> bool:
    """Tell whether nothing would be lost with a clip that its service lists no more.

    A link that was tried in vain counts as none if other clips are listed: `is_replaced`.
    """
    return not clip.is_settled and (not clip.audio_url or (clip.link_failed and is_replaced))


def _once(told: Iterable[Clip]) -> tuple[Clip, ...]:
    """Return the clips without those that are listed twice: then the second has the first's link.

    Adapters give the second one the id of the first with a number.
    """
    clips: list[Clip] = []
    for clip in told:
        if not any(_is_again(clip, first) for first in clips):
            clips.append(clip)
    return tuple(clips)


def _is_again(clip: Clip, first: Clip) -> bool:
    has_its_id = clip.clip_id.startswith(f"{first.clip_id}-")
    return has_its_id and bool(clip.audio_url) and clip.audio_url == first.audio_url


def _renamed(known: Sequence[Clip], told: Sequence[Clip], task_id: str) -> dict[str, str]:
    """Return which known clips have another id in the list: those with its link or its place.

    A place counts only for a clip that had no id of its own, which adapters call by its task's id.
    """
    ids = {clip.clip_id for clip in known}
    new = [(place, clip) for place, clip in enumerate(told) if clip.clip_id not in ids]
    left = {clip.clip_id: (at, clip) for at, clip in enumerate(known)}
    for clip in told:
        left.pop(clip.clip_id, None)
    renamed: dict[str, str] = {}
    for place, clip in new:
        for old, (at, before) in left.items():
            is_nameless = old == task_id or old.startswith(f"{task_id}-")
            is_linked = bool(clip.audio_url) and clip.audio_url in _links(before)
            if old not in renamed and (is_linked or (is_nameless and at == place)):
                renamed[old] = clip.clip_id
                break
    return renamed


def _links(clip: Clip) -> tuple[str, ...]:
    """Return all links of a clip that are known, the newest first."""
    return (clip.audio_url, *clip.earlier_urls) if clip.audio_url else ()


def _taken(known: Clip | None, told: Clip, *, is_late: bool) -> Clip:
    """Return a clip with what is known of it and what is told, the better of both."""
    if known is None:
        return replace(told, is_late=is_late)
    if known.status == "completed" and told.status != "completed":
        return replace(known, clip_id=told.clip_id)
    kept = {name: getattr(known, name) for name in KEPT if getattr(told, name) in NOTHING}
    url = told.audio_url or known.audio_url
    earlier = () if known.is_settled else tuple(link for link in _links(known) if link != url)
    return replace(
        told, **kept, audio_url=url, earlier_urls=earlier[:EARLIER_LINKS], is_late=known.is_late
    )
