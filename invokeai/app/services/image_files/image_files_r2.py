"""Pictures in Cloudflare R2 or any S3 bucket: `images/<name>` and `thumbnails/<stem>.webp`.

Keys are never written twice with other content: R2 takes one write a second for a key, and browsers cache for ever.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from invokeai.app.services.image_files.image_file_storage import FilePart, ImageFileStorage, validate_name
from invokeai.app.services.shared.errors import NotFound
from invokeai.app.services.shared.objects.s3_objects import S3Objects, S3Settings

IMAGES = "images/"
THUMBNAILS = "thumbnails/"


class R2ImageFileStorage(ImageFileStorage):
    """A bucket. `endpoint` names another S3 server than the account's R2.

    Args:
        bucket: name of the bucket.
        account_id: Cloudflare account, part of R2's address.
        access_key_id: id of the R2 API token.
        secret_access_key: SHA-256 of the token's value.
        url_seconds: hand browsers presigned addresses of this life; 0 serves files through the studio.
    """

    def __init__(
        self,
        bucket: str,
        account_id: str,
        access_key_id: str,
        secret_access_key: str,
        endpoint: str | None = None,
        *,
        url_seconds: int = 0,
        objects: S3Objects | None = None,
    ) -> None:
        self.objects = objects or S3Objects(S3Settings(bucket, account_id, access_key_id, secret_access_key, endpoint))
        self._url_seconds = url_seconds

    async def save(self, name: str, png: bytes, thumbnail: bytes) -> None:
        # the thumbnail first: a picture that is listed as there has everything
        await self.save_thumbnail(name, thumbnail)
        await self.objects.put(self.get_path(name), png, "image/png")

    async def save_thumbnail(self, name: str, thumbnail: bytes) -> None:
        await self.objects.put(self.get_path(name, thumbnail=True), thumbnail, "image/webp")

    async def save_new(self, name: str, png: bytes, thumbnail: bytes) -> None:
        """Store a picture under a name that must not be taken. Raises Conflict, Unavailable."""
        await self.objects.put(self.get_path(name), png, "image/png", if_absent=True)
        await self.save_thumbnail(name, thumbnail)

    async def read(self, name: str, *, thumbnail: bool = False, start: int = 0, length: int | None = None) -> FilePart:
        try:
            part = await self.objects.get(self.get_path(name, thumbnail=thumbnail), start, length)
        except NotFound:
            raise NotFound(f"There is no image {name}.") from None
        return FilePart(part.data, part.start, part.total, part.etag)

    async def delete(self, names: Iterable[str]) -> None:
        await self.objects.delete(self.get_path(name, thumbnail=small) for name in names for small in (False, True))

    async def names(self, older_than_seconds: float = 0) -> list[str]:
        before = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
        return [entry.key[len(IMAGES) :] async for entry in self.objects.entries(IMAGES) if entry.modified <= before]

    def get_path(self, name: str, *, thumbnail: bool = False) -> str:
        """The object key."""
        validate_name(name)
        return f"{THUMBNAILS}{PurePosixPath(name).stem}.webp" if thumbnail else f"{IMAGES}{name}"

    async def validate_path(self, path: str) -> bool:
        """Whether an object with this key exists. Raises Unavailable."""
        return await self.objects.exists(path)

    def url(self, name: str, *, thumbnail: bool = False) -> str | None:
        if not self._url_seconds:
            return None
        return self.objects.presigned_url(self.get_path(name, thumbnail=thumbnail), self._url_seconds)

    async def close(self) -> None:
        """Let go of the connections."""
        await self.objects.close()
