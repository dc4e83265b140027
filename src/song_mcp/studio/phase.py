"""How far a task has come, derived in one place for everything that waits for it or shows it."""

from dataclasses import replace
from datetime import datetime
from typing import Literal

from song_mcp.journal import POLLED_FOR_S, UNKNOWN_FOR_S
from song_mcp.songs import Task

Phase = Literal["unfollowed", "polled", "left", "saving", "ended"]
"""What goes on with a task.

    unfollowed   somebody asked to have it polled no more; it may have ended since
    polled       open, and polled
    left         open, and too old to be polled: a look is made for whoever asks
    saving       ended, and its audio is being saved
    ended        ended; clips that could not be saved may still be tried again
"""

SAVED_WITHIN_S = 60.0
"""For how many seconds after its end, at most, an ended task counts as `saving`."""


def phase_of(task: Task, now: datetime) -> Phase:
    """Return the phase that a task is in at the time `now`."""
    if task.unfollowed_at is not None:
        return "unfollowed"
    if task.is_open:
        longest_s = POLLED_FOR_S + (UNKNOWN_FOR_S if task.is_unknown else 0.0)
        return "left" if task.age_s(now) > longest_s else "polled"
    return "saving" if _is_being_saved(task, now) else "ended"


def _is_being_saved(task: Task, now: datetime) -> bool:
    """Tell whether the end is held back; a clip that came later does not begin that again."""
    clips = tuple(clip for clip in task.clips if not clip.is_late)
    if task.ended_at is None or replace(task, clips=clips).has_nothing_to_save:
        return False
    return 0 <= (now - task.ended_at).total_seconds() < SAVED_WITHIN_S
