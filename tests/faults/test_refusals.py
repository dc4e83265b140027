"""What the fault run's services say no with, judged one by one."""

import httpx
import pytest

from song_mcp.errors import NoAnswerError, RefusedError, ServiceError
from song_mcp.providers.gptge import Gptge
from song_mcp.providers.piapi import Piapi
from song_mcp.songs import SongRequest
from tests.faults.refusals import DOUBTS, REFUSALS, REFUSALS_OF_PIAPI, Answer
from tests.models import DEFAULT_SUNO, UDIO


async def said(service: str, answer: Answer) -> ServiceError:
    status, content = answer
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=content))
    asked: Gptge | Piapi = Gptge("key-1234", "https://api.gpt.ge", transport)
    if service == "piapi":
        asked = Piapi("key-1234", "https://api.piapi.ai", transport=transport)
    model = UDIO if service == "piapi" else DEFAULT_SUNO
    with pytest.raises(ServiceError) as caught:
        await asked.submit(asked.prepare(SongRequest(model, "a slow harbour waltz")))
    assert "{" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("answer", REFUSALS)
async def test_what_comes_before_anything_is_accepted_is_not_charged(answer: Answer) -> None:
    error = await said("gptge", answer)
    assert isinstance(error, RefusedError)
    assert error.charged == "no"


@pytest.mark.parametrize("answer", REFUSALS_OF_PIAPI[:3])
async def test_no_money_at_piapi_is_not_charged(answer: Answer) -> None:
    assert isinstance(await said("piapi", answer), RefusedError)


@pytest.mark.parametrize("service", ["piapi", "gptge"])
@pytest.mark.parametrize("answer", DOUBTS)
async def test_what_may_come_after_it_was_accepted_is_a_doubt(answer: Answer, service: str) -> None:
    error = await said(service, answer)
    assert isinstance(error, NoAnswerError)
    assert error.charged == "unknown"
