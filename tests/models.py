"""One model of each service, for requests of which any will do."""

from dataclasses import replace
from typing import Any, cast

import pytest

from song_mcp.songs import MODELS, SERVICES

UDIO = MODELS["udio"]
DEFAULT_SUNO = SERVICES["gptge"].default_model


def with_timed_lyrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Udio keep to the times of lines, as DiffRhythm does."""
    piapi = SERVICES["piapi"]
    models = [
        replace(model, abilities=model.abilities | {"timed_lyrics"}) for model in piapi.models
    ]
    monkeypatch.setitem(cast("Any", SERVICES), "piapi", replace(piapi, models=tuple(models)))
