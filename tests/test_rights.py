from datetime import date

import pytest

from song_mcp.rights import ANY, TABLE, UNKNOWN, rights_in
from song_mcp.songs import MODELS, SERVICES, Model

LONGEST = 200
"""In characters: one line, which stands in every result with a finished song."""


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_a_row_for_whatever_model_it_has(service: str) -> None:
    assert rights_in(service, "a model of next year") is not UNKNOWN


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_a_model_has_its_own_row_or_that_of_its_service(model: Model) -> None:
    found = rights_in(model.service, model.name)
    assert found.service == model.service
    assert found.model in {model.name, ANY}


def test_a_row_is_one_short_fact_with_its_day_and_its_source() -> None:
    for row in TABLE:
        assert "\n" not in row.line
        assert len(row.line) <= LONGEST, row
        assert row.source
        assert row.read_on is not None
        assert row.line.endswith(f"As of {row.read_on.isoformat()}.")
        assert date(2026, 11, 1) <= row.read_on
    assert len({(row.service, row.model) for row in TABLE}) == len(TABLE)


def test_the_models_that_others_own_promise_nothing() -> None:
    for service, model in (("piapi", "udio"), ("gptge", "suno-v6"), ("gptge", "chirp-raw")):
        assert "no promise of rights is known" in rights_in(service, model).line
    assert "2025-10-29" in rights_in("piapi", "udio").line
    assert "2026-09-03" in rights_in("gptge", "suno-v5").line


def test_of_a_service_that_is_not_in_the_table_nothing_is_promised() -> None:
    assert rights_in("toy", "loop").line == "No promise of rights is known."
