"""Real MP3 files of many kinds, and what FFmpeg makes of them: it knows nothing of our own code."""

import struct
from array import array
from functools import cache, lru_cache
from io import BytesIO
from random import Random

import av
import lameenc
from av.audio.codeccontext import AudioCodecContext

DELAY = 576
"""Samples that LAME puts before the first one."""
PERIOD = 4999
"""Samples after which the noise repeats: no two frames of a file are equal."""
KEPT = 50
"""How many answers of FFmpeg are kept: half a megabyte each."""
INFO_HEAD = {
    (44_100, 2): b"\xff\xfb\x90\x00",
    (44_100, 1): b"\xff\xfb\x90\xc0",
    (48_000, 2): b"\xff\xfb\x94\x00",
    (22_050, 2): b"\xff\xf3\x90\x00",
}
"""Headers of frames with 128 or 80 kbit/s, without padding, by Hertz and channels."""


@cache
def mp3(
    seconds: float = 1.0,
    seed: int = 1,
    *,
    rate: int = 44_100,
    channels: int = 2,
    kbits: int = 128,
    is_variable: bool = False,
) -> bytes:
    """Return an MP3 file of noise as LAME writes it, without a header frame."""
    encoder = lameenc.Encoder()
    encoder.set_in_sample_rate(rate)
    encoder.set_out_sample_rate(rate)
    encoder.set_channels(channels)
    encoder.set_quality(7)
    if is_variable:
        encoder.set_vbr(4)
        encoder.set_vbr_quality(4)
    else:
        encoder.set_bit_rate(kbits)
    encoder.silence()
    noise = array("b", Random(seed).randbytes(PERIOD))  # noqa: S311 - any noise will do
    loud = array("h", (30 * each for each in noise for _ in range(channels)))
    samples = round(seconds * rate)
    sound = (loud * (samples // PERIOD + 1))[: samples * channels]
    return bytes(encoder.encode(sound.tobytes())) + bytes(encoder.flush())


def tagged(content: bytes, samples: int, rate: int = 44_100, channels: int = 2) -> bytes:
    """Return the file with a header frame, which says that so many of its samples are heard."""
    frames = packets(content)
    per_frame = 1152 if rate > 24_000 else 576
    after = len(frames) * per_frame - DELAY - samples
    xing = struct.pack(">4sII", b"Info", 1, len(frames))
    lame = b"LAME3.100" + bytes(12) + (DELAY << 12 | after).to_bytes(3, "big") + bytes(12)
    side = {(True, 2): 32, (True, 1): 17, (False, 2): 17}[rate > 24_000, channels]
    head = INFO_HEAD[rate, channels]
    length = 144_000 * 128 // rate if rate > 24_000 else 72_000 * 80 // rate
    return (head + bytes(side) + xing + lame).ljust(length, b"\0") + content


@lru_cache(KEPT)
def packets(content: bytes) -> list[bytes]:
    """Return the frames of an MP3 file as FFmpeg finds them, without a header frame."""
    with av.open(BytesIO(content), "r") as file:
        return [bytes(packet) for packet in file.demux(audio=0) if packet.size]


@lru_cache(KEPT)
def decoded(content: bytes) -> bytes:
    """Return the samples of the first channel as 32-bit fractions, as a player plays the file."""
    with av.open(BytesIO(content), "r") as file:
        return b"".join(_first_channel(frame) for frame in file.decode(audio=0))


@lru_cache(KEPT)
def frames_decoded(content: bytes) -> list[bytes]:
    """Return the samples of the first channel frame by frame, nothing left out.

    A frame that lacks its bytes is silent.
    """
    context = av.CodecContext.create("mp3float", "r")
    assert isinstance(context, AudioCodecContext)
    return [
        _first_channel(frame)
        for packet in packets(content)
        for frame in context.decode(av.Packet(packet))
    ]


def _first_channel(frame: av.AudioFrame) -> bytes:
    return bytes(frame.planes[0])[: 4 * frame.samples]
