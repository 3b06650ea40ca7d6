"""The files that the suite uploads, made on the spot: the source distribution comes without any."""

import io
import struct
import zipfile
import zlib


def write_all(folder):
    """Writes each under the name that the stand-in for the suite's helpers gives it."""
    folder.mkdir(parents=True, exist_ok=True)
    logo = png(241, 51)
    for name, content in {
        "logo.png": logo,
        "lögö_ünd_mehr.png": logo,
        "favicon.ico": ico(16),
        "document.docx": docx(),
    }.items():
        (folder / name).write_bytes(content)


def png(width, height):
    """Grey noughts, one byte a pixel."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((width + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def ico(side):
    """One picture, which may be a PNG."""
    picture = png(side, side)
    directory = struct.pack("<HHH", 0, 1, 1)
    entry = struct.pack("<BBBBHHII", side, side, 0, 0, 1, 32, len(picture), 22)
    return directory + entry + picture


def docx():
    """An archive with the parts that make a document one."""
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "word/document.xml": '<document xmlns="http://schemas.openxmlformats.org/wordprocessingml/2006/main"/>',
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return content.getvalue()
