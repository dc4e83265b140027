"""The intake: brings what lies in the inbox to where it belongs, and removes what nobody needs.

A process may die between the moment at which a song is whole on the disk and the one at which the
journal says so. The file has the name of its task, so the song is found, written as accepted, and
saved like any other. Nothing is asked or sent here.
"""

import logging

from song_mcp.clock import Clock
from song_mcp.inbox import Inbox
from song_mcp.journal import Journal
from song_mcp.songs import Clip, Report, Status, Task
from song_mcp.studio.saver import Saver
from song_mcp.studio.supervise import going_on

logger = logging.getLogger(__name__)

CLEARED_EVERY_S = 60.0
"""How often, in seconds, at least, the inbox is looked at; and each time a clip was tried."""
LOST: frozenset[Status] = frozenset({"in_doubt", "abandoned"})
"""The statuses of a task of which it is not known that it was accepted."""


class Intake:
    """Looks after `inbox` in `run`; `saver` tells when a clip was tried."""

    def __init__(self, journal: Journal, inbox: Inbox, clock: Clock, saver: Saver) -> None:
        self._journal = journal
        self._inbox = inbox
        self._clock = clock
        self._saver = saver

    async def run(self) -> None:
        """Look at once and then whenever a clip was tried, until cancelled."""
        while True:
            tried = self._saver.tried
            with going_on("clearing the inbox"):
                await self.clear()
            await self._clock.wait(tried, CLEARED_EVERY_S)

    async def clear(self) -> None:
        """Look once at each file."""
        for name in self._inbox.names():
            task = await self._journal.find(name)
            if task is None:
                continue  # of a journal that was replaced: a song that was paid is not removed
            if task.status in LOST and await rescued(self._journal, self._inbox, task):
                continue
            if not self._is_needed(task, name):
                self._inbox.remove(name)

    def _is_needed(self, task: Task, name: str) -> bool:
        """Tell whether the file is still being received, or a clip is not saved yet without it."""
        link = self._inbox.link(name)
        links = ((clip.audio_url, *clip.earlier_urls) for clip in task.clips if not clip.is_settled)
        return task.status == "submitting" or bool(link and any(link in each for each in links))


async def rescued(journal: Journal, inbox: Inbox, task: Task) -> bool:
    """Write that a task was accepted if its song is whole in the inbox; return whether it was."""
    link = inbox.link(task.local_id)
    if not link:
        return False
    task_id = f"{task.service}-{task.local_id.removeprefix('local-')}"
    clip = Clip(task_id, "completed", audio_url=link)
    report = Report(task_id, "completed", "success", task.kind, clips=(clip,), charged="yes")
    await journal.received(task.local_id, report)
    logger.warning("the song of %s was found in the inbox", task.local_id)
    return True
