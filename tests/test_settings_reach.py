"""The settings of outgoing connections: a proxy, and the hosts of media."""

import pytest

from song_mcp.settings import Settings


def test_without_a_word_there_is_no_proxy_and_every_public_host_is_allowed() -> None:
    settings = Settings.read()
    assert settings.proxy_url == ""
    assert settings.media_hosts == ()


@pytest.mark.parametrize(
    "url",
    ["http://proxy.example:3128", "https://user:pass@proxy.example/", "http://127.0.0.1:8080"],
)
def test_a_proxy_is_an_http_address(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONG_MCP_PROXY", f" {url} ")
    settings = Settings.read()
    assert settings.proxy_url == url
    assert "pass" not in repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        "proxy.example:3128",
        "socks5://proxy.example",
        "http://",
        "http://user:secret@proxy.example:port",
        "http://user:secret@proxy.example/path",
        "http://user:secret@proxy.example?query",
    ],
)
def test_another_proxy_is_told_and_not_used(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONG_MCP_PROXY", url)
    settings = Settings.read()
    assert str(settings.wrong[0]).startswith("SONG_MCP_PROXY: must")
    assert "secret" not in str(settings.wrong)
    assert settings.proxy_url == ""


def test_hosts_stand_between_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONG_MCP_MEDIA_HOSTS", "CDN.example, .media.example,*.other.example ")
    assert Settings.read().media_hosts == ("cdn.example", "media.example", "other.example")


@pytest.mark.parametrize(
    "hosts", [",", "a.example,", "https://a.example", "a..b", "müller.example"]
)
def test_what_is_no_host_is_told(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONG_MCP_MEDIA_HOSTS", hosts)
    assert "must be host names" in Settings.read().said_of("SONG_MCP_MEDIA_HOSTS")
