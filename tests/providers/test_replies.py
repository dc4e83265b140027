"""Values from services: what cannot be meant is dropped, and what is cut off is not repeated."""

import httpx
import pytest

from song_mcp.errors import ServiceError
from song_mcp.providers.piapi import Piapi
from song_mcp.providers.replies import to_seconds, to_url, usable_id

SECRET = "whsec-77aa55"


@pytest.mark.parametrize("value", ["c1", "task_9", 4711, "a:b/c", "歌-1", "x" * 200])
def test_an_id_is_taken_as_it_is(value: object) -> None:
    assert usable_id(value) == str(value)


@pytest.mark.parametrize(
    "value",
    ["![p](https://x.example)", "[x]", "<b>1", 'a"b', "`1`", "a\u3164", "\u115f1", "a\u200db"],
)
def test_an_id_that_hides_or_makes_something_is_not_taken(value: str) -> None:
    assert usable_id(value) == ""


@pytest.mark.parametrize("tail", ["![p](https://y.example)", 'a.mp3">', "<b>", "a](b", "`", "\\"])
def test_a_link_that_breaks_out_of_its_place_is_not_taken(tail: str) -> None:
    assert to_url(f"https://x.example/{tail}") == ""


def test_a_link_is_kept_as_it_is() -> None:
    url = "http://[::1]:8787/media/The%2520Untitled.mp3?sig=a(b)[0]"
    assert to_url(url) == url


@pytest.mark.parametrize("value", [-1, 3601, 1e308, "NaN", "1e999", True, None, [1]])
def test_a_duration_that_cannot_be_is_not_known(value: object) -> None:
    assert to_seconds(value) is None


@pytest.mark.parametrize(
    "body",
    [
        f'{{"code":500,"message":"{SECRET}","da',
        f'"x": "{SECRET}", "y',
        f"<html>{SECRET}",
        f"webhook_secret={SECRET}",
    ],
)
@pytest.mark.parametrize("status", [200, 401, 429, 500])
async def test_a_body_that_is_cut_off_is_not_repeated(status: int, body: str) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=body))
    asked = Piapi("0123456789abcdef", "https://api.piapi.ai", transport=transport)
    with pytest.raises(ServiceError) as caught:
        await asked.fetch("task-1")
    assert SECRET not in str(caught.value)


async def test_the_plan_of_the_account_repeats_no_key() -> None:
    body = {"code": 200, "data": {"plan": "developer 0123456789abcdef"}, "message": ""}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    asked = Piapi("0123456789abcdef", "https://api.piapi.ai", transport=transport)
    assert (await asked.account()).plan == "developer [hidden]"


@pytest.mark.parametrize(
    "value",
    [
        '"https://x.example/1.mp3"',
        " <https://x.example/1.mp3>\n",
        "[mp3](https://x.example/1.mp3)",
        "![](https://x.example/1.mp3)",
        "\u201chttps://x.example/1.mp3\u201d",
        "'https://x.example/1.mp3 '",
        ["https://x.example/1.mp3", "https://x.example/2.mp3"],
        {"url": "https://x.example/1.mp3", "expires": 1},
        [{"url": "https://x.example/1.mp3"}],
    ],
)
def test_a_link_may_stand_in_quotes_or_in_a_list_or_object(value: object) -> None:
    assert to_url(value) == "https://x.example/1.mp3"


@pytest.mark.parametrize("value", ['"', '""', "<>", [], [[]], {}, {"url": {"url": "https://x"}}])
def test_what_holds_no_link_is_none(value: object) -> None:
    assert to_url(value) == ""
