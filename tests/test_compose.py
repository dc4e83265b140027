"""The settings of outgoing connections reach all code that opens one."""

from pathlib import Path
from pkgutil import resolve_name

import anyio
import pytest

from song_mcp.inbox import Inbox
from song_mcp.providers import Provider
from song_mcp.songs import SERVICES
from tests.faults.canaries import PIAPI_KEY
from tests.house import open_house
from tests.limits import HANGS_S
from tests.providers.test_proxy import Proxy, open_proxy


@pytest.mark.parametrize("name", list(SERVICES))
def test_the_adapter_of_each_service_is_a_provider(name: str, tmp_path: Path) -> None:
    service = SERVICES[name]
    options = {
        option.name: option.read("", service=service) if option.read else option.choices[-1]
        for option in service.options
    }
    parts = {"inbox": Inbox(tmp_path, cap_bytes=1)} if service.answers_with_audio else {}
    made = resolve_name(service.adapter)("key", service.base_url, proxy="", **parts, **options)
    assert isinstance(made, Provider)
    assert made.service == name


async def test_a_service_is_asked_through_the_proxy_and_without_showing_it_the_key(
    tmp_path: Path,
) -> None:
    proxy = Proxy()
    async with open_proxy(proxy):
        settings = {"SONG_MCP_PROXY": proxy.url, "PIAPI_BASE_URL": "https://api.piapi.ai"}
        async with open_house(tmp_path, settings=settings) as house:
            text = await house.error("generate_song", description="x", wait_seconds=50)
    assert "SONG_MCP_PROXY" in text
    assert "CONNECT api.piapi.ai:443" in proxy.received.decode()
    assert PIAPI_KEY.encode() not in proxy.received


async def test_a_sandbox_and_its_media_need_no_proxy_and_no_setting(tmp_path: Path) -> None:
    settings = {"SONG_MCP_PROXY": "http://127.0.0.1:9", "SONG_MCP_MEDIA_HOSTS": "media.example"}
    with anyio.fail_after(HANGS_S):
        async with open_house(tmp_path, settings=settings) as house:
            for model in ("udio", "suno-v5"):
                made = await house.ok("generate_song", description="x", model=model)
                assert [Path(clip["file"]).is_file() for clip in made["clips"]] == [True, True]
