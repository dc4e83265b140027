"""What is known of the rights in a song: one factual line for each service and model.

These are facts with the day on which they were read and where (`docs/providers.md` 8.4). They are
no advice, and no promise of ours.
"""

from dataclasses import dataclass
from datetime import date

ANY = "*"
"""Stands for every model of a service that has no row of its own."""
READ_ON = date(2026, 11, 25)


@dataclass(frozen=True)
class Rights:
    """What is known of the songs of a `model` at a `service`; where it stands is the `source`.

    `read_on` is the day on which it was read, None if nothing is known.
    """

    service: str
    model: str
    fact: str
    source: str
    read_on: date | None = READ_ON

    @property
    def line(self) -> str:
        """The fact as one line, with its day."""
        return self._dated(self.fact)

    @property
    def brief(self) -> str:
        """The first sentence of the fact, with its day."""
        first, _, _ = self.fact.partition(". ")
        return self._dated(f"{first.rstrip('.')}.")

    def _dated(self, said: str) -> str:
        return said if self.read_on is None else f"{said} As of {self.read_on}."


TABLE = (
    Rights(
        "piapi",
        "udio",
        "Udio through PiAPI: no promise of rights is known. Udio itself closed its downloads "
        "on 2025-10-29.",
        "rymmagazine.com 2025-10, chartlex.com 2026-05-12",
    ),
    Rights(
        "piapi",
        "ace-step",
        "ACE-Step through PiAPI: by their terms. The model's licence is Apache 2.0 (version 1) or "
        "MIT (1.5).",
        "model cards ACE-Step/ACE-Step-v1-3.5B and ACE-Step/Ace-Step1.5 at huggingface.co",
    ),
    Rights(
        "piapi",
        "diffrhythm",
        "DiffRhythm through PiAPI: by their terms. The model's licence is Apache 2.0, its "
        "decoder's is Stability AI's community licence.",
        "model cards ASLP-lab/DiffRhythm-base and ASLP-lab/DiffRhythm-vae at huggingface.co",
    ),
    Rights(
        "piapi",
        ANY,
        "PiAPI: no promise of rights is known.",
        "its shop page promises none; its terms were not read",
    ),
    Rights(
        "gptge",
        ANY,
        "Suno through a relay: no promise of rights is known. Suno's terms of 2026-09-03 tie "
        "commercial rights to a download through its own channels.",
        "a client's notes on Suno's terms, 2026-09-30",
    ),
    Rights(
        "minimax",
        ANY,
        "MiniMax: by its terms of service and its product terms.",
        "www.minimax.io/terms-of-service-v2.html, 2026-04-15",
    ),
    Rights(
        "acestep",
        ANY,
        "ACE-Step on one's own machine: by its terms. The model's licence is MIT, and its card "
        "allows commercial use of the music.",
        "model card ACE-Step/Ace-Step1.5 at huggingface.co",
    ),
)
UNKNOWN = Rights(ANY, ANY, "No promise of rights is known.", "", None)


def rights_in(service: str, model: str) -> Rights:
    """Return what is known of a song that this model made at this service."""
    rows = {(row.service, row.model): row for row in TABLE}
    return rows.get((service, model)) or rows.get((service, ANY)) or UNKNOWN
