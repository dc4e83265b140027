"""What kind of picture a cover is, and how large it is shown, by its first bytes alone.

A few kB can unpack to gigabytes in whatever shows them, so the sides are read before a picture is
kept or passed on. What does not say its sides where its format wants them is no picture.
"""

import struct

from song_mcp.library.formats import Format

PNG = Format("image/png", ".png")
JPEG = Format("image/jpeg", ".jpg")
WEBP = Format("image/webp", ".webp")
PICTURES = (PNG, JPEG, WEBP)

LONGEST_SIDE = 4096
"""In pixels. A square of that takes 64 MiB at four bytes each; covers of songs have some 1,000."""
SEGMENTS_LIMIT = 1000
"""The most segments of a JPEG that are read before its frame; a picture has some ten."""
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The codes of the segments that begin a JPEG's frame, whatever its coding."""
WITHOUT_LENGTH = frozenset({0x00, 0x01, *range(0xD0, 0xDB)})
"""Codes that are no segment, or begin or end the pixels: the frame comes before those."""


def picture_format(picture: bytes) -> Format | None:
    """Return the format of a cover, or None if it is none of `PICTURES` or too large to show."""
    for start, kind, read in (
        (b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", PNG, _png_sides),
        (b"\xff\xd8\xff", JPEG, _jpeg_sides),
        (b"RIFF", WEBP, _webp_sides),
    ):
        if picture.startswith(start):
            return kind if all(0 < side <= LONGEST_SIDE for side in read(picture)) else None
    return None


NO_SIDES = (0, 0)


def _png_sides(picture: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", picture[16:24].ljust(8, b"\0"))
    return width, height


def _jpeg_sides(picture: bytes) -> tuple[int, int]:
    """Return the sides in the first frame; small pictures in segments before it are passed over."""
    offset = 2
    for _ in range(SEGMENTS_LIMIT):
        mark, code, length = struct.unpack(">BBH", picture[offset : offset + 4].ljust(4, b"\0"))
        if mark != 0xFF or code in WITHOUT_LENGTH:
            break
        if code in FRAMES:
            height, width = struct.unpack(">HH", picture[offset + 5 : offset + 9].ljust(4, b"\0"))
            return width, height
        offset += 1 if code == 0xFF else 2 + length
    return NO_SIDES


def _webp_sides(picture: bytes) -> tuple[int, int]:
    kind, content = picture[8:16], picture[20:30].ljust(10, b"\0")
    if kind == b"WEBPVP8X":
        width = 1 + int.from_bytes(content[4:7], "little")
        return width, 1 + int.from_bytes(content[7:10], "little")
    if kind == b"WEBPVP8L" and content[0] == 0x2F:
        packed = int.from_bytes(content[1:5], "little")
        return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    if kind == b"WEBPVP8 " and content[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", content[6:10])
        return width & 0x3FFF, height & 0x3FFF
    return NO_SIDES
