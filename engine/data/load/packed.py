"""Packed files, read as streams: nothing is unpacked to disk, and a bomb costs no memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from typing import Any, Protocol

_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_PIECE = 1 << 16
_MEMORY = 128 << 20  # bytes that an xz header may ask for
ENDINGS = {"gzip": ".gz", "bzip2": ".bz2", "xz": ".xz", "zstd": ".zst"}


class Reader(Protocol):
    """Bytes, a bounded number at a time."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""


class DamagedError(Exception):
    """The packed bytes end early or are not what they say; the argument names the packing."""


def packing(head: bytes) -> str:
    """Return how a file is packed by its first bytes: gzip, bzip2, xz, zstd, or ""."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


class Unpacked:
    """The unpacked bytes of a stream, for one pass.

    Args:
        raw: The packed bytes, from their start.
        kind: How they are packed.
    """

    def __init__(self, raw: Reader, kind: str) -> None:
        self._raw, self._kind = raw, kind
        self._inner: Reader | None = None

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end.

        Raises:
            DamagedError: The packed bytes end early or are no such packing.
        """
        try:
            if self._inner is None:
                self._inner = _reader(self._raw, self._kind)
            return self._inner.read(size)
        except (OSError, zlib.error, lzma.LZMAError, EOFError, ValueError, MemoryError) as error:
            raise DamagedError(self._kind) from error


def _reader(raw: Any, kind: str) -> Reader:
    if kind == "gzip":
        return gzip.GzipFile(fileobj=raw)
    if kind == "bzip2":
        return bz2.BZ2File(raw)
    if kind == "xz":
        return _Xz(raw)
    import pyarrow as pa

    stream: Reader = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")
    return stream


class _Xz:
    """xz with a limit on memory, which `lzma.LZMAFile` cannot be given."""

    def __init__(self, raw: Reader) -> None:
        self._raw = raw
        self._inner = lzma.LZMADecompressor(memlimit=_MEMORY)

    def read(self, size: int, /) -> bytes:
        while True:
            data = b""
            if self._inner.eof:
                data = (self._inner.unused_data or self._raw.read(_PIECE)).lstrip(b"\0")
                if not data:
                    return b""
                self._inner = lzma.LZMADecompressor(memlimit=_MEMORY)
            elif self._inner.needs_input:
                data = self._raw.read(_PIECE)
                if not data:
                    raise EOFError
            found = self._inner.decompress(data, size)
            if found:
                return found
