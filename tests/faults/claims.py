"""What answers say about money, compared with what the services really charged.

The services here charge what they accept, and say which of it they give back. So a task that was
accepted was charged, and one that was not is free. Sentences about a task are judged at the end,
when nothing is under way any more; sentences about a call are judged at once, by what arrived
during that call.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tests.faults.fault_service import FaultService
from tests.faults.harness import DOUBTFUL, Call, Row, by_marker


class Claim(StrEnum):
    """What can be said: the first two of a call, the others of a task."""

    SENT_NOTHING = "nothing was sent or paid"
    CHARGED_NOTHING = "nothing was charged"
    FREE = "not charged"
    CHARGED = "charged"
    PROBABLY_FREE = "very probably not charged"
    PROBABLY_CHARGED = "very probably charged"
    COSTS_NOTHING = "it costs nothing"
    MADE_AND_PAID = "made, sent and charged"


WORDS = {
    Claim.SENT_NOTHING: re.compile(r"nothing was (?:sent|paid)|cost nothing", re.IGNORECASE),
    Claim.CHARGED_NOTHING: re.compile(r"nothing was charged|not sent, not charged", re.IGNORECASE),
    Claim.PROBABLY_FREE: re.compile(r"probably not charged", re.IGNORECASE),
    Claim.PROBABLY_CHARGED: re.compile(r"probably charged", re.IGNORECASE),
    Claim.COSTS_NOTHING: re.compile(r"\bIt costs nothing: the same"),
    Claim.MADE_AND_PAID: re.compile(r"\(it was charged\)"),
}
FREE = frozenset({Claim.FREE, Claim.PROBABLY_FREE, Claim.COSTS_NOTHING})
OF_CALLS = frozenset({Claim.SENT_NOTHING, Claim.CHARGED_NOTHING})


@dataclass(frozen=True)
class Said:
    """One sentence, about the task `task_id` of the request with this marker."""

    claim: Claim
    marker: str
    task_id: str


@dataclass
class Claims:
    """All that was said about money, and which of it was not true."""

    service: FaultService
    said: list[Said] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)

    def hear(self, marker: str, call: Call) -> None:
        """Note what an answer says of its task, and of those of other takes."""
        for task in call.tasks:
            task_id = str(task.get("task_id", ""))
            charged = {"no": Claim.FREE, "yes": Claim.CHARGED}.get(task.get("charged", ""))
            claims = [charged] if charged else []
            claims += [each for each in _in(call.text) if each not in OF_CALLS]
            self.said += [Said(claim, marker, task_id) for claim in claims if task_id]

    def hear_of_call(self, marker: str, call: Call, sent: int, accepted: int) -> None:
        """Judge what an answer says of its own call, which sent and had accepted so much."""
        found = [each for each in _in(call.text) if each in OF_CALLS]
        self.said += [Said(claim, marker, "") for claim in found]
        if sent and Claim.SENT_NOTHING in found:
            self.untrue.append(f"{marker} was sent, but the answer is {call.text}")
        if accepted and Claim.CHARGED_NOTHING in found:
            self.untrue.append(f"{marker} was charged, but the answer is {call.text}")

    def judge(self, rows: Sequence[Row]) -> None:
        """Judge, by the journal's final rows, what was said of tasks."""
        grouped = by_marker(rows)
        self.untrue += [
            f"{said.marker} was said to be {said.claim}: {said.task_id}"
            for said in self.said
            if said.claim not in OF_CALLS
            and _is_untrue(said, grouped.get(said.marker, []), self.service)
        ]

    def listed(self) -> str:
        counts = Counter(said.claim for said in self.said)
        return ", ".join(f"{claim} {counts[claim]}" for claim in Claim if counts[claim])


def _in(text: str) -> Iterator[Claim]:
    return (claim for claim, words in WORDS.items() if words.search(text))


def _is_untrue(said: Said, rows: Sequence[Row], service: FaultService) -> bool:
    """Tell whether what was said is certainly wrong.

    Which of several doubtful tasks of one request was charged cannot be known, only how many.
    """
    accepted = set(service.paid(said.marker))
    lost = len(accepted - {row["task_id"] for row in rows})
    own = [row for row in rows if said.task_id in {row["task_id"], row["local_id"]}]
    own_ids = accepted & {said.task_id, *(row["task_id"] for row in own)}
    if said.claim not in FREE:
        return not own_ids and not lost
    in_doubt = [row for row in rows if row not in own and _is_in_doubt(row)]
    return lost > len(in_doubt) or not all(map(service.gives_back, own_ids))


def _is_in_doubt(row: Row) -> bool:
    return row["status"] in DOUBTFUL and not row["task_id"]
