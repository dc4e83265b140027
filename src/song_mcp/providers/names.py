"""What the services and their settings are called, for the messages of `providers.sorting`.

Invariant: names alone, no decisions.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from song_mcp.songs import Service


@dataclass(frozen=True)
class Names:
    """What a service and its settings are called, and where credits are bought."""

    label: str
    key_variable: str
    base_url_variable: str
    shop: str


NAMES: Mapping[Service, Names] = {
    "piapi": Names("PiAPI", "PIAPI_API_KEY", "PIAPI_BASE_URL", "in the workspace at piapi.ai"),
    "gptge": Names("gpt.ge", "GPTGE_API_KEY", "GPTGE_BASE_URL", "in the console at api.gpt.ge"),
}
