"""Covers are told by their bytes, and one that is too large to show is none."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from song_mcp.library import pictures
from tests import recordings
from tests.faults import crafted_files
from tests.faults.crafted_files import jpeg, png, webp_canvas, webp_lossless, webp_lossy

SEGMENT = crafted_files.segment(0xFE, b"drawn by hand")


def framed(width: int, height: int) -> bytes:
    return jpeg(crafted_files.frame_segment(width, height))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (recordings.PNG, pictures.PNG),
        (recordings.JPEG, pictures.JPEG),
        (recordings.WEBP, pictures.WEBP),
        (jpeg(SEGMENT * 20, b"\xff\xff", recordings.JPEG_FRAME), pictures.JPEG),
        (jpeg(crafted_files.THUMBNAIL, recordings.JPEG_FRAME), pictures.JPEG),
        (b"<svg/>", None),
        (b"GIF89a", None),
        (recordings.wav(0.1), None),
        (b"", None),
    ],
)
def test_covers_are_told_by_their_first_bytes(content: bytes, kind: object) -> None:
    assert pictures.picture_format(content) == kind


@pytest.mark.parametrize("make", [png, framed, webp_canvas, webp_lossless, webp_lossy])
def test_a_cover_of_more_than_4096_pixels_on_a_side_is_none(
    make: Callable[[int, int], bytes],
) -> None:
    assert pictures.picture_format(make(4096, 4096))
    assert pictures.picture_format(make(4097, 1)) is None
    assert pictures.picture_format(make(1, 4097)) is None


@pytest.mark.parametrize("name", crafted_files.COVERS)
def test_what_a_program_would_need_much_memory_to_show_is_no_cover(name: str) -> None:
    assert pictures.picture_format(crafted_files.COVERS[name]()) is None


@pytest.mark.parametrize("content", [recordings.PNG, recordings.JPEG, recordings.WEBP])
def test_a_cover_that_ends_before_its_size_is_none(content: bytes) -> None:
    assert [pictures.picture_format(content[:size]) for size in range(21)] == [None] * 21


@given(st.sampled_from([recordings.PNG, recordings.JPEG, recordings.WEBP]), st.binary(max_size=90))
def test_no_bytes_bring_the_look_at_a_cover_down(start: bytes, rest: bytes) -> None:
    for size in (3, 4, 12, 20, len(start)):
        assert pictures.picture_format(start[:size] + rest) in {None, *pictures.PICTURES}
