"""How far a task has come, derived in one place for everything that waits for it or shows it."""

from dataclasses import replace
from datetime import datetime
from typing import Literal

from song_mcp.journal import POLLED_FOR_S, UNKNOWN_FOR_S
from song_mcp.songs import SERVICES, Task

Phase = Literal["unfollowed", "polled", "left", "searched", "saving", "ended"]
"""What goes on with a task.

    unfollowed   somebody asked to have it polled no more; it may have ended since
    polled       open, and polled
    left         open, and too old to be polled: a look is made for whoever asks
    searched     in doubt, and its service's history is about to be asked for the first time
    saving       ended, and its audio is being saved
    ended        ended; clips that could not be saved may still be tried again
"""

SAVED_WITHIN_S = 60.0
"""For how many seconds after its end, at most, an ended task counts as `saving`."""
SEARCHED_WITHIN_S = 45.0
"""For how many seconds after its answer was lost, at most, a task counts as `searched`."""


def phase_of(task: Task, now: datetime) -> Phase:
    """Return the phase that a task is in at the time `now`."""
    if task.unfollowed_at is not None:
        return "unfollowed"
    if task.is_open:
        longest_s = POLLED_FOR_S + (UNKNOWN_FOR_S if task.is_unknown else 0.0)
        return "left" if task.age_s(now) > longest_s else "polled"
    if _is_searched_for(task, now):
        return "searched"
    return "saving" if _is_being_saved(task, now) else "ended"


def _is_being_saved(task: Task, now: datetime) -> bool:
    """Tell whether the end is held back; a clip that came later does not begin that again."""
    clips = tuple(clip for clip in task.clips if not clip.is_late)
    if task.ended_at is None or replace(task, clips=clips).has_nothing_to_save:
        return False
    return 0 <= (now - task.ended_at).total_seconds() < SAVED_WITHIN_S


def _is_searched_for(task: Task, now: datetime) -> bool:
    if task.status != "in_doubt" or task.searches or task.lost_at is None:
        return False
    is_recent = 0 <= (now - task.lost_at).total_seconds() < SEARCHED_WITHIN_S
    return is_recent and SERVICES[task.service].has_history
