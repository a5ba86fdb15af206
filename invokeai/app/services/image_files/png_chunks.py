"""PNG as a row of chunks: our text is spliced into a file without touching its pixels.

What comes out ends at IEND, so bytes that hide behind a picture are never stored.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
METADATA, WORKFLOW, GRAPH = "invokeai_metadata", "invokeai_workflow", "invokeai_graph"
OUR_TEXTS = (METADATA, WORKFLOW, GRAPH)
"""Keywords of the text chunks that carry what the studio knows of a picture, each JSON text."""

COMPRESS_FROM_BYTES = 2_048
READERS_LIMIT_BYTES = 1_048_576
"""Pillow refuses a text that is larger than this after decompression; larger ones are stored as they are."""
MAX_TEXT_BYTES = 64 * 2**20
"""Most that a compressed text may unfold to when it is read here."""
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
_ORIENTATION_TEXTS = (b"Raw profile type exif", b"XML:com.adobe.xmp")


class BrokenPng(Exception):
    """The bytes are no whole PNG; the message says where they go wrong."""


class Chunk(NamedTuple):
    """One chunk: its type, and where it lies in the file (length and checksum included)."""

    kind: bytes
    start: int
    end: int


def chunks(data: bytes) -> Iterator[Chunk]:
    """The chunks from IHDR to IEND.

    Raises:
        BrokenPng: it ends early, or a checksum is wrong.
    """
    if not data.startswith(PNG_SIGNATURE):
        raise BrokenPng("it does not begin as a PNG does")
    view = memoryview(data)
    position = len(PNG_SIGNATURE)
    while True:
        if position + 12 > len(data):
            raise BrokenPng("it ends in the middle of the file")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise BrokenPng("it ends in the middle of the file")
        if zlib.crc32(view[position + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise BrokenPng(f"the checksum of its part {kind!r} is wrong")
        yield Chunk(kind, position, end)
        if kind == b"IEND":
            return
        position = end


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height as the header states them.

    Raises:
        BrokenPng: there is no header.
    """
    if len(data) < 33 or not data.startswith(PNG_SIGNATURE) or data[12:16] != b"IHDR":
        raise BrokenPng("it has no header")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def is_plain(data: bytes, parts: Iterable[Chunk]) -> bool:
    """Whether it is to be shown as its pixels are: no animation, nothing that may turn it."""
    kinds = set()
    for chunk in parts:
        if chunk.kind in _TEXT_CHUNKS and _keyword(data, chunk) in _ORIENTATION_TEXTS:
            return False
        kinds.add(chunk.kind)
    return b"IDAT" in kinds and kinds.isdisjoint((b"acTL", b"eXIf"))


def read_texts(
    data: bytes, keywords: Iterable[str] = OUR_TEXTS, parts: Iterable[Chunk] | None = None
) -> dict[str, str]:
    """The texts of `keywords` that the PNG carries; unreadable ones are left out.

    Args:
        data: the file.
        keywords: those wanted.
        parts: its chunks, where their checksums were looked at already.

    Raises:
        BrokenPng: `data` is no whole PNG.
    """
    wanted = {keyword.encode("latin-1"): keyword for keyword in keywords}
    texts = {}
    for chunk in chunks(data) if parts is None else parts:
        if chunk.kind in _TEXT_CHUNKS:
            keyword = wanted.get(_keyword(data, chunk))
            text = _decode(data, chunk) if keyword else None
            if keyword and text is not None:
                texts[keyword] = text
    return texts


def with_texts(data: bytes, texts: Mapping[str, str | None], parts: Iterable[Chunk] | None = None) -> bytes:
    """The PNG with these texts right after its header; older ones of the same keywords go (None: only go).

    Args:
        data: the file.
        texts: by keyword.
        parts: its chunks, where their checksums were looked at already.

    Raises:
        BrokenPng: `data` is no whole PNG.
    """
    replaced = {keyword.encode("latin-1") for keyword in texts}
    kept: list[bytes | memoryview] = [PNG_SIGNATURE]
    view = memoryview(data)
    for chunk in chunks(data) if parts is None else parts:
        if chunk.kind in _TEXT_CHUNKS and _keyword(data, chunk) in replaced:
            continue
        kept.append(view[chunk.start : chunk.end])
        if chunk.kind == b"IHDR":
            kept += [_encode(keyword, text) for keyword, text in texts.items() if text is not None]
    return b"".join(kept)


def _keyword(data: bytes, chunk: Chunk) -> bytes:
    return data[chunk.start + 8 : min(chunk.start + 88, chunk.end - 4)].split(b"\0", 1)[0]


def _encode(keyword: str, text: str) -> bytes:
    """A tEXt, zTXt or iTXt chunk: latin-1 where that is enough, compressed where it pays."""
    name = keyword.encode("latin-1") + b"\0"
    utf8 = text.encode("utf-8", "replace")
    compress = COMPRESS_FROM_BYTES <= len(utf8) <= READERS_LIMIT_BYTES
    # a NUL would end a latin-1 text early for some readers
    if "\0" not in text and _is_latin1(text):
        plain = text.encode("latin-1")
        return _chunk(b"zTXt", name + b"\0" + zlib.compress(plain)) if compress else _chunk(b"tEXt", name + plain)
    body = zlib.compress(utf8) if compress else utf8
    return _chunk(b"iTXt", name + (b"\1\0" if compress else b"\0\0") + b"\0\0" + body)


def _is_latin1(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _decode(data: bytes, chunk: Chunk) -> str | None:
    """The chunk's text, or None when it is damaged or unfolds to too much."""
    body = data[chunk.start + 8 : chunk.end - 4].partition(b"\0")[2]
    try:
        if chunk.kind == b"tEXt":
            return body.decode("latin-1")
        if chunk.kind == b"zTXt":
            return _inflate(body[1:]).decode("latin-1")
        compressed, rest = body[0], body[2:]
        text = rest.split(b"\0", 2)[2]
        return (_inflate(text) if compressed else text).decode("utf-8")
    except (ValueError, IndexError, zlib.error):
        return None


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    text = inflater.decompress(data, MAX_TEXT_BYTES)
    if inflater.unconsumed_tail:
        raise ValueError("the text unfolds to too much")
    return text
