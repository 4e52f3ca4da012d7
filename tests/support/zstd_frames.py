"""zstd frames, made by the standard library's module or its backport."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["zstd", "zstd_frame"]


def zstd_frame(
    data: bytes, *, checksum: bool = False, size: bool = True, **options: int
) -> bytes:
    """Compress data as one frame, with a checksum and its size, or without."""
    named = {zstd.CompressionParameter[name]: value for name, value in options.items()}
    named[zstd.CompressionParameter.checksum_flag] = int(checksum)
    named[zstd.CompressionParameter.content_size_flag] = int(size)
    return zstd.compress(data, options=named)
