"""Small files, each as its format asks for."""

import os
import struct
import zlib


def png(width=40, height=30):
    """A picture of one colour that fades to the right."""
    row = b"\0" + b"".join(bytes((20 + 5 * x % 236, 90, 160)) for x in range(width))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(row * height)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(*chunk) for chunk in chunks)


def _png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def mp4(size=50_000):
    """A film whose media data is noise."""
    head = _mp4_box(b"ftyp", b"isom\0\0\2\0isomiso2mp41")
    index = _mp4_box(b"moov", _mp4_box(b"mvhd", bytes(12) + struct.pack(">II", 1000, 4000) + bytes(80)))
    return head + index + _mp4_box(b"mdat", os.urandom(size - len(head) - len(index) - 8))


def _mp4_box(kind, content):
    return struct.pack(">I", 8 + len(content)) + kind + content


def note():
    """Something that is neither picture nor film."""
    return "What was agreed: nothing is kept that nobody needs. Größe 漢字\n".encode()
