"""A body that comes packed, unpacked piece by piece.

The first bytes decide, as no audio begins like gzip: hosts send gzip without saying so, and say
gzip of what is not. Deflate has no sure beginning, so that is taken from the header.
"""

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zlib import _Decompress

KNOWN_PACKINGS = {"gzip", "x-gzip", "deflate"}
UNKNOWN_PACKINGS = {"br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip"}
"""What a Content-Encoding may say that is not unpacked here.

A word that is no packing, such as utf-8 or aws-chunked, says nothing: browsers take it so too.
"""
GZIP = b"\x1f\x8b\x08"
PIECE_BYTES = 2**18
"""The most bytes that are unpacked at once: a thousandth of them may be packed."""
EITHER_FORMAT, RAW = zlib.MAX_WBITS | 32, -zlib.MAX_WBITS


def packing_of(content_encoding: str) -> str:
    """Return the packing that a Content-Encoding names, "" for none; several stay as named."""
    named = [part.strip() for part in content_encoding.lower().split(",")]
    return ", ".join(part for part in named if part in KNOWN_PACKINGS | UNKNOWN_PACKINGS)


class Unpacker:
    """Unpacks one body. Raises zlib.error for what cannot be unpacked."""

    def __init__(self, packing: str) -> None:
        """Unpack what may be deflate only if `packing` says so."""
        self._may_be_deflate = packing == "deflate"
        self._head = b""
        self._has_begun = False
        self._zlib: _Decompress | None = None
        self.is_done = False
        """Whether the packed content has ended: what follows is none of it."""

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what comes of the next bytes of the body; of packed ones in pieces of 256 KiB."""
        if not self._has_begun:
            self._head += chunk
            if len(self._head) < len(GZIP):
                return
            chunk, self._head = self._head, b""
            self._begin(chunk)
        if self._zlib is None:
            yield chunk
        else:
            yield from self._unpacked(chunk)

    def rest(self) -> bytes:
        """Return the last bytes, at the end of the body; raises EOFError if it is cut off."""
        if self._zlib is not None and not self._zlib.eof:
            raise EOFError
        return self._head

    def _begin(self, start: bytes) -> None:
        self._has_begun = True
        if start.startswith(GZIP):
            self._zlib = zlib.decompressobj(EITHER_FORMAT)
        elif self._may_be_deflate:
            self._zlib = zlib.decompressobj(EITHER_FORMAT if _has_zlib_head(start) else RAW)

    def _unpacked(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what the chunk unpacks to; gzip may consist of several parts."""
        while self._zlib is not None:
            if self._zlib.eof and chunk:
                start = chunk[: len(GZIP)]
                if not GZIP.startswith(start):
                    self.is_done = True
                    return
                self._zlib = zlib.decompressobj(EITHER_FORMAT)
            piece = self._zlib.decompress(chunk, PIECE_BYTES)
            if piece:
                yield piece
            chunk = self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail
            if not chunk and len(piece) < PIECE_BYTES:
                return


def _has_zlib_head(start: bytes) -> bool:
    """Tell whether this begins as RFC 1950 says; some hosts send deflate without its two bytes."""
    return start[0] & 0x0F == zlib.DEFLATED and int.from_bytes(start[:2], "big") % 31 == 0
