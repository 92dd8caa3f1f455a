"""Pictures as files: valid, broken, of other formats, and decompression bombs."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def png(width: int, height: int, rows: bytes | None = None, extra: bytes = b"") -> bytes:
    """A grey PNG of one bit per pixel with these compressed rows; `extra` is the compressed text of a comment."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    rows = zlib.compress(bytes((width + 7) // 8 + 1) * height, 1) if rows is None else rows
    extra = chunk(b"zTXt", b"Comment\0\0" + extra) if extra else b""
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def picture(side: int = 64, kind: str = "PNG", mode: str = "RGB") -> bytes:
    """A uniform grey square as a file."""
    file = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), 90, np.uint8)).convert(mode).save(file, kind)
    return file.getvalue()


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n(x) (w) file\nshowpage\n%%EOF\n"
BOMBS = {
    "20,000 pixels a side": png(20_000, 20_000),
    "four billion pixels a side": png(2**31 - 1, 2**31 - 1, b""),
    "a comment of 100 MB": png(64, 64, extra=zlib.compress(bytes(100_000_000), 1)),
    "more rows than declared": png(64, 64, zlib.compress(bytes(50_000_000), 1)),
}
PICTURES = BOMBS | {
    "empty": b"",
    "half": picture()[:100],
    "no pixels": png(0, 0),
    "broken checksum": picture().replace(b"IDAT", b"IDAX"),
    "PostScript": EPS,
    "TIFF": picture(kind="TIFF"),
    "16 bits": picture(28, mode="I;16"),
    "text": b"=1+1\n" * 100,
    "noise": np.random.default_rng(0).bytes(10_000),
}
