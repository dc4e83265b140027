"""The state machine of a task: which event may move it from which status to which.

A status only moves forward, so a late or repeated report from any process changes nothing.
`writes.move` is the only statement that changes a status, and it takes its conditions from here.

A new row begins as `submitting`. A task that was made elsewhere begins as `pending`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from song_mcp.songs import Status

Event = Literal[
    "accept", "reject", "drop", "doubt", "abandon", "report", "merge", "lose", "recover", "find"
]


@dataclass(frozen=True)
class Transition:
    """From any status in `sources` to any status in `targets`."""

    sources: tuple[Status, ...]
    targets: tuple[Status, ...]


AT_SERVICE: tuple[Status, ...] = ("pending", "processing")
"""The statuses of a task that its service is still working on."""
ENDED: tuple[Status, ...] = ("completed", "failed")
"""The statuses of a task that its service has ended."""
REPORTED: tuple[Status, ...] = ("pending", "processing", "completed", "failed")
"""The statuses that a service can report."""

TRANSITIONS: Mapping[Event, Transition] = {
    # The service accepted the submission. That holds whatever happened to the row meanwhile.
    "accept": Transition(("submitting", "in_doubt", "abandoned"), ("pending",)),
    # The service refused the submission.
    "reject": Transition(("submitting", "in_doubt"), ("rejected",)),
    # Nobody submits it any more, and nothing was sent.
    "drop": Transition(("submitting",), ("rejected",)),
    # Nobody knows whether the service accepted the submission.
    "doubt": Transition(("submitting",), ("in_doubt",)),
    # The user closed the doubt.
    "abandon": Transition(("in_doubt",), ("abandoned",)),
    # The service reported how the task stands.
    "report": Transition(AT_SERVICE, REPORTED),
    # The service said for two hours that it does not know the task.
    "lose": Transition(AT_SERVICE, ("failed",)),
    # The service says now that it completed a task which it had not known for two hours.
    "recover": Transition(("failed",), ("completed",)),
    # A task that was found at the service is the one in doubt.
    "merge": Transition(("in_doubt",), REPORTED),
    # The service's history shows that it accepted the submission.
    "find": Transition(("in_doubt",), ("pending",)),
}
