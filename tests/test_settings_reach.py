"""The settings of outgoing connections: a proxy, and the hosts of media."""

import pytest

from song_mcp.settings import Settings, SettingsError


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
def test_another_proxy_stops_the_start(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONG_MCP_PROXY", url)
    with pytest.raises(SettingsError, match=r"^SONG_MCP_PROXY: must") as caught:
        Settings.read()
    assert "secret" not in str(caught.value)


def test_hosts_stand_between_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONG_MCP_MEDIA_HOSTS", "CDN.example, .media.example,*.other.example ")
    assert Settings.read().media_hosts == ("cdn.example", "media.example", "other.example")


@pytest.mark.parametrize(
    "hosts", [",", "a.example,", "https://a.example", "a..b", "müller.example"]
)
def test_what_is_no_host_stops_the_start(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONG_MCP_MEDIA_HOSTS", hosts)
    with pytest.raises(SettingsError, match=r"^SONG_MCP_MEDIA_HOSTS: must be host names"):
        Settings.read()
