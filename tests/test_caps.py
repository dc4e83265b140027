"""The caps that can be set: how large a clip may be to be saved, and to be sent."""

import pytest

from song_mcp.settings import Settings

MIB = 2**20


def test_the_caps_are_64_and_5_mib_where_nothing_is_set() -> None:
    assert (Settings.read().clip_bytes, Settings.read().blob_bytes) == (64 * MIB, 5 * MIB)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SONG_MCP_CLIP_BYTES", MIB - 1),
        ("SONG_MCP_CLIP_BYTES", 512 * MIB + 1),
        ("SONG_MCP_BLOB_BYTES", MIB - 1),
        ("SONG_MCP_BLOB_BYTES", 7 * MIB + 1),
        ("SONG_MCP_BLOB_BYTES", "5 MiB"),
    ],
)
def test_a_cap_that_makes_no_sense_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    monkeypatch.setenv(name, str(value))
    assert Settings.read().said_of(name)
