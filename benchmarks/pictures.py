"""Pictures for the benchmarks, made here and always the same."""

import io
import random

from PIL import Image


def photo_like_png(size: int = 1024, seed: int = 7) -> bytes:
    """A square RGB PNG: soft colour fields with a little noise, which compresses about as badly as a photograph."""
    chance = random.Random(seed)
    coarse = Image.frombytes("RGB", (8, 8), chance.randbytes(8 * 8 * 3)).resize((size, size), Image.Resampling.BICUBIC)
    grain = Image.frombytes("RGB", (size, size), chance.randbytes(size * size * 3))
    buffer = io.BytesIO()
    Image.blend(coarse, grain, 0.04).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def multipart_png(png: bytes, boundary: str = "benchmark-boundary") -> tuple[bytes, str]:
    """An upload form with the one member `file`, and its content type."""
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="photo.png"\r\n'
    body = f"{head}Content-Type: image/png\r\n\r\n".encode() + png + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"
