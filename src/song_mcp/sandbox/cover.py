"""The cover: a small abstract picture, a patchwork of tiles in five colours of one palette.

The same text always makes the same PNG: 512 pixels square, a few kilobytes.
"""

import struct
import zlib
from collections.abc import Callable
from functools import lru_cache
from random import Random

SIZE = 512
"""Width and height in pixels."""

_TILE = 64
_COLOURS = 5
_PALETTES = (
    ("14213d", "fca311", "e5e5e5", "3d5a80", "ee6c4d"),
    ("264653", "2a9d8f", "e9c46a", "f4a261", "e76f51"),
    ("2b2d42", "8d99ae", "edf2f4", "ef233c", "d9a5b3"),
    ("0b3954", "087e8b", "bfd7ea", "ff5a5f", "c81d25"),
    ("3c1642", "086375", "1dd3b0", "affc41", "b2ff9e"),
    ("5f0f40", "9a031e", "fb8b24", "e36414", "0f4c5c"),
    ("1b4332", "40916c", "95d5b2", "f1dca7", "997b66"),
    ("22223b", "4a4e69", "9a8c98", "c9ada7", "f2e9e4"),
)

_Shape = Callable[[int, int], bool]
_SHAPES: tuple[_Shape, ...] = (
    lambda x, y: x * x + y * y < _TILE * _TILE,
    lambda x, y: (x - _TILE) ** 2 + (y - _TILE) ** 2 < _TILE * _TILE,
    lambda x, y: (x - 32) ** 2 + (y - 32) ** 2 < 22 * 22,
    lambda x, y: x > y,
    lambda x, y: x + y < _TILE,
    lambda x, y: (x + y) % _TILE > 24,
    lambda x, y: (x * x + y * y) // 441 % 2 == 0,
    lambda x, y: (x - 32) ** 2 + y * y < 32 * 32,
)


@lru_cache(maxsize=len(_SHAPES))
def _stencil(number: int) -> tuple[bytes, ...]:
    """Draw one shape as rows of 0 and 1."""
    shape = _SHAPES[number]
    return tuple(bytes(shape(x, y) for x in range(_TILE)) for y in range(_TILE))


def _tile(dice: Random) -> list[bytes]:
    ground, ink = dice.sample(range(_COLOURS), 2)
    colours = bytes.maketrans(b"\x00\x01", bytes((ground, ink)))
    return [row.translate(colours) for row in _stencil(dice.randrange(len(_SHAPES)))]


def _pixels(dice: Random) -> bytes:
    """Lay the tiles side by side; each row of pixels begins with PNG's filter byte 0."""
    count = SIZE // _TILE
    bands = ([_tile(dice) for _ in range(count)] for _ in range(count))
    return b"".join(b"\x00" + b"".join(row) for band in bands for row in zip(*band, strict=True))


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def cover(text: str) -> bytes:
    """Draw the picture of a song as a PNG."""
    dice = Random(f"cover {text}")  # nosec B311 # dice for music, not for a secret
    palette = bytes.fromhex("".join(dice.choice(_PALETTES)))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", SIZE, SIZE, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", palette),
            _chunk(b"IDAT", zlib.compress(_pixels(dice), 7)),  # 9 takes ten times as long
            _chunk(b"IEND", b""),
        )
    )
