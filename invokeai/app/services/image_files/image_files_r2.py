"""Pictures in Cloudflare R2 or any S3 bucket: `images/<name>` and `thumbnails/<stem>.webp`.

Keys are never written twice with other content: R2 takes one write a second for a key, and browsers cache for ever.
"""

from invokeai.app.services.image_files.object_image_files import ObjectImageFiles
from invokeai.app.services.shared.objects.s3_objects import S3Objects, S3Settings

IMAGES = "images/"
THUMBNAILS = "thumbnails/"


class R2ImageFileStorage(ObjectImageFiles):
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
        self.bucket = objects or S3Objects(S3Settings(bucket, account_id, access_key_id, secret_access_key, endpoint))
        super().__init__(self.bucket, IMAGES, THUMBNAILS)
        self._url_seconds = url_seconds

    async def save_new(self, name: str, png: bytes, thumbnail: bytes) -> None:
        """Store a picture under a name that must not be taken. Raises Conflict, Unavailable."""
        await self.bucket.put(self._key(name), png, "image/png", if_absent=True)
        await self.save_thumbnail(name, thumbnail)

    async def validate_path(self, path: str) -> bool:
        """Whether an object with this key exists. Raises Unavailable."""
        return await self.bucket.exists(path)

    def url(self, name: str, *, thumbnail: bool = False) -> str | None:
        if not self._url_seconds:
            return None
        return self.bucket.presigned_url(self._key(name, thumbnail=thumbnail), self._url_seconds)

    async def close(self) -> None:
        """Let go of the connections."""
        await self.bucket.close()
