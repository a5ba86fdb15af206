"""Answers that carry a stored file: content type from its first bytes, ETag, ranges, long caching.

Nothing served here can run as a page: the type is never sniffed, and what is no known picture is plain bytes.
"""

import re
from urllib.parse import quote

from fastapi import Request, Response

from invokeai.app.services.image_files.image_file_storage import FilePart

IMMUTABLE = "max-age=31536000, immutable"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)


def media_type(head: bytes) -> str:
    """The content type that a file's first 12 bytes tell."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), "application/octet-stream")


def disposition(name: str) -> str:
    """`Content-Disposition` for showing a file that is saved as `name`."""
    if re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        return f'inline; filename="{name}"'
    return f"inline; filename*=utf-8''{quote(name, safe='')}"


def elsewhere(url: str | None) -> Response | None:
    """A redirect to where the store serves the file itself, or None. Presigned addresses end, so it is not kept."""
    return Response(status_code=307, headers={"location": url, "cache-control": "no-store"}) if url else None


def file_answer(request: Request, name: str, file: FilePart, cache: str = IMMUTABLE) -> Response:
    """The whole `file`, the part that was asked for (206), 304 or 416."""
    headers = {
        "etag": f'"{file.etag}"',
        "cache-control": cache,
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "content-disposition": disposition(name),
        "content-security-policy": "default-src 'none'",
    }
    kind = media_type(file.data[:12])
    if _matches(request.headers.get("if-none-match"), file.etag):
        return Response(status_code=304, headers=headers)
    wanted = _wanted(request.headers.get("range", ""))
    if wanted is None or request.headers.get("if-range", f'"{file.etag}"') != f'"{file.etag}"':
        return Response(
            _body(request, file.data), headers={**headers, "content-length": str(file.total)}, media_type=kind
        )
    first, last = _bounds(wanted, file.total)
    if first > last:
        # it is the answer to this one question, not the picture: nobody may keep it
        del headers["etag"], headers["content-disposition"]
        headers |= {"content-range": f"bytes */{file.total}", "cache-control": "no-store"}
        return Response(status_code=416, headers=headers)
    part = file.data[first : last + 1]
    headers |= {"content-range": f"bytes {first}-{last}/{file.total}", "content-length": str(len(part))}
    return Response(_body(request, part), 206, headers=headers, media_type=kind)


def _body(request: Request, data: bytes) -> bytes:
    return b"" if request.method == "HEAD" else data


def _matches(condition: str | None, etag: str) -> bool:
    if condition is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in condition.split(",")]
    return "*" in tags or f'"{etag}"' in tags


def _wanted(header: str) -> re.Match[str] | None:
    """The part that is asked for; a range that is none (`bytes=-`, `bytes=5-2`) is ignored, as RFC 9110 14.2 says."""
    wanted = _RANGE.fullmatch(header.strip())
    if wanted is None:
        return None
    start, end = wanted.groups()
    return wanted if (start or end) and not (start and end and int(end) < int(start)) else None


def _bounds(wanted: re.Match[str], total: int) -> tuple[int, int]:
    """First and last byte, inclusive; first > last when nothing of it is there."""
    start, end = wanted.groups()
    if not start:
        return (max(0, total - int(end)), total - 1) if int(end) else (1, 0)
    return int(start), min(int(end), total - 1) if end else total - 1
