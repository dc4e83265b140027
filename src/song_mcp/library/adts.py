"""The frames of an AAC file that is nothing but frames (ADTS)."""

HEAD = 7
"""The bytes of a frame's header, without its checksum."""
FRAMES_LIMIT = 200_000
"""The most frames counted in one file; an hour at 48 kHz has 168,750."""
BLOCK_SAMPLES = 1024
SAMPLE_RATES = (
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000),
    *(24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350),
)
"""Hertz by the number in a header."""


def frame_bytes(header: bytes) -> int:
    """Return the length in bytes of the frame with this header, 0 if it is none."""
    if len(header) < HEAD or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return 0
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if length >= HEAD and header[2] >> 2 & 15 < len(SAMPLE_RATES) else 0


def counted(content: bytes, offset: int) -> tuple[int, int]:
    """Return how many blocks of 1,024 samples the frames from `offset` on have, and their end.

    The end is behind that of `content` if the last frame is cut off.
    """
    blocks, last = 0, len(content) - HEAD
    for _ in range(FRAMES_LIMIT):
        if offset > last or content[offset] != 0xFF or content[offset + 1] & 0xF6 != 0xF0:
            break
        length = (
            (content[offset + 3] & 3) << 11 | content[offset + 4] << 3 | content[offset + 5] >> 5
        )
        if length < HEAD:
            break
        blocks += (content[offset + 6] & 3) + 1
        offset += length
    return blocks, offset


def rate(header: bytes) -> int:
    """Return how many samples a second a frame with this header has."""
    return SAMPLE_RATES[header[2] >> 2 & 15]
