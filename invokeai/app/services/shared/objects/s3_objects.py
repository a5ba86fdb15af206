"""Objects in an S3 bucket (Cloudflare R2, SeaweedFS, …) through boto3, whose calls wait in threads.

Source: Cloudflare's R2 documentation of its S3 API. Invariants: one client a process; a PUT is counted as done only
when the server answered with an entity tag; a secret never stands in an error.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn, TypeVar

from invokeai.app.services.shared.errors import Conflict, NotFound, Unavailable
from invokeai.app.services.shared.objects.object_store import ObjectEntry, ObjectPart, ObjectStore

T = TypeVar("T")

MAX_KEYS_A_CALL = 1000
"""R2 lists and deletes at most so many keys at once."""
CHECK_SECONDS = 3.0
"""How long the check at the start waits for a connection, and then for an answer."""
_NOT_THERE = {"NoSuchKey", "404", "NotFound"}
_KEY_REFUSED = {"Unauthorized", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "401", "403"}
_SETTING_OF_KEY_FAULT = "`r2_access_key_id` and `r2_secret_access_key` (permission Object Read & Write on the bucket)"


class BucketRefused(Exception):
    """The bucket cannot be used with these settings; the message names the setting."""


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Where a bucket is. `endpoint` None: Cloudflare R2's address of the account."""

    bucket: str
    account_id: str
    access_key_id: str
    secret_access_key: str
    endpoint: str | None = None
    max_connections: int = 16
    timeout_seconds: float = 20.0

    @property
    def endpoint_url(self) -> str:
        """Address of the S3 API."""
        return self.endpoint or f"https://{self.account_id}.r2.cloudflarestorage.com"


class S3Objects(ObjectStore):
    """One bucket. Connects at the first use; use from one event loop."""

    def __init__(self, settings: S3Settings) -> None:
        self.settings = settings
        self._threads = ThreadPoolExecutor(settings.max_connections, thread_name_prefix="s3")
        self._made: Any = None
        self._making = threading.Lock()

    async def put(self, key: str, data: bytes, content_type: str, *, if_absent: bool = False) -> str:
        """Store an object; its entity tag.

        Raises:
            Conflict: `if_absent`, and the key is taken.
            Unavailable: the store does not answer, or did not confirm.
        """
        return await self._put(key, data, content_type, {"IfNoneMatch": "*"} if if_absent else {})

    async def put_open(self, key: str, file: IO[bytes], content_type: str) -> None:
        """Store a file's content from its start, a block in memory at a time. Raises Unavailable, as `put`."""
        await self._put(key, file, content_type, {})

    async def _put(self, key: str, body: bytes | IO[bytes], content_type: str, condition: dict[str, str]) -> str:
        def work() -> str:
            if not isinstance(body, bytes):
                body.seek(0)
            answer = self._client().put_object(
                Bucket=self.settings.bucket,
                Key=key,
                Body=body,
                ContentType=content_type,
                CacheControl="public, max-age=31536000, immutable",
                **condition,
            )
            return str(answer.get("ETag") or "").strip('"')

        etag = await self._call(work, key)
        if not etag:
            raise Unavailable("The object store did not confirm that it keeps the file; try again.")
        return etag

    async def put_file(self, key: str, path: Path, content_type: str) -> None:
        """Upload a file, in equal parts when it is large."""

        def work() -> None:
            self._client().upload_file(str(path), self.settings.bucket, key, ExtraArgs={"ContentType": content_type})

        await self._call(work, key)

    async def get(self, key: str, start: int = 0, length: int | None = None) -> ObjectPart:
        """`length` bytes (None: the rest) from `start`; a negative start counts from the end.

        Raises:
            NotFound: there is no such object.
            Unavailable: the store does not answer.
        """
        if length == 0:
            size, etag = await self.head(key)
            return ObjectPart(b"", 0, size, etag)
        span = {}
        if start < 0:
            span = {"Range": f"bytes={start}"}
        elif start or length is not None:
            span = {"Range": f"bytes={start}-{'' if length is None else start + length - 1}"}

        def work() -> ObjectPart:
            answer = self._client().get_object(Bucket=self.settings.bucket, Key=key, **span)
            data = answer["Body"].read()
            first, total = _range(answer, len(data))
            return ObjectPart(data, first, total, str(answer.get("ETag") or "").strip('"'))

        part = await self._call(work, key)
        return (
            part
            if length is None or len(part.data) <= length
            else ObjectPart(part.data[:length], part.start, part.total, part.etag)
        )

    async def head(self, key: str) -> tuple[int, str]:
        """Size in bytes and entity tag. Raises NotFound, Unavailable."""

        def work() -> tuple[int, str]:
            answer = self._client().head_object(Bucket=self.settings.bucket, Key=key)
            return int(answer["ContentLength"]), str(answer["ETag"]).strip('"')

        return await self._call(work, key)

    async def delete(self, keys: Iterable[str]) -> None:
        """Delete objects, a thousand a call; what is not there is passed over. Raises Unavailable."""
        waiting = list(keys)
        for first in range(0, len(waiting), MAX_KEYS_A_CALL):
            page = [{"Key": key} for key in waiting[first : first + MAX_KEYS_A_CALL]]

            def work(page: list[dict[str, str]] = page) -> list[dict[str, Any]]:
                answer = self._client().delete_objects(
                    Bucket=self.settings.bucket, Delete={"Objects": page, "Quiet": True}
                )
                faults: list[dict[str, Any]] = answer.get("Errors", [])
                return faults

            faults = [fault for fault in await self._call(work, "") if fault.get("Code") not in _NOT_THERE]
            if faults:
                raise Unavailable(f"{len(faults)} files could not be deleted from the object store; try again.")

    async def entries(self, prefix: str) -> AsyncIterator[ObjectEntry]:
        """Objects whose key begins with `prefix`, a page at a time, in the order of keys. Raises Unavailable."""
        token: dict[str, str] = {}
        while True:

            def work(token: dict[str, str] = token) -> dict[str, Any]:
                answer: dict[str, Any] = self._client().list_objects_v2(
                    Bucket=self.settings.bucket, Prefix=prefix, MaxKeys=MAX_KEYS_A_CALL, **token
                )
                return answer

            page = await self._call(work, "")
            for entry in page.get("Contents", []):
                yield ObjectEntry(entry["Key"], int(entry["Size"]), entry["LastModified"])
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def presigned_url(self, key: str, seconds: int) -> str:
        """An address that anyone may GET the object at for so long (1 s to 7 days). Local computation."""
        url: str = self._client().generate_presigned_url(
            "get_object", Params={"Bucket": self.settings.bucket, "Key": key}, ExpiresIn=seconds
        )
        return url

    async def check(self) -> None:
        """Whether the bucket is there and the key opens it.

        Raises:
            BucketRefused: naming the setting that is wrong.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        def work() -> None:
            client = _make_client(self.settings, attempts=1, connect_seconds=CHECK_SECONDS, read_seconds=CHECK_SECONDS)
            client.list_objects_v2(Bucket=self.settings.bucket, MaxKeys=1)
            client.close()

        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except ClientError as error:
            raise BucketRefused(_refusal(self.settings, error)) from None
        except (BotoCoreError, ValueError) as error:
            raise BucketRefused(
                f"The object store at {self.settings.endpoint_url} cannot be reached"
                f" ({type(error).__name__}): check `r2_endpoint` and `r2_account_id`."
            ) from None

    async def probe(self) -> None:
        """List one object. Raises Unavailable, saying which setting is to be checked where that is known."""

        def work() -> None:
            self._client().list_objects_v2(Bucket=self.settings.bucket, MaxKeys=1)

        await self._call(work, "")

    async def close(self) -> None:
        """Let go of the threads and connections."""
        await asyncio.to_thread(self._threads.shutdown)
        if self._made is not None:
            self._made.close()

    async def _call(self, work: Callable[[], T], key: str) -> T:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except ClientError as error:
            _raise(error, key)
        except (BotoCoreError, OSError) as error:
            raise Unavailable(f"The object store does not answer ({type(error).__name__}); try again.") from None

    def _client(self) -> Any:
        with self._making:
            if self._made is None:
                self._made = _make_client(self.settings)
            return self._made


def _make_client(
    settings: S3Settings, attempts: int = 3, connect_seconds: float = 4, read_seconds: float | None = None
) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.session.Session().client(
        "s3",
        endpoint_url=settings.endpoint_url,
        region_name="auto",
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": attempts, "mode": "standard"},
            connect_timeout=connect_seconds,
            read_timeout=read_seconds or settings.timeout_seconds,
            max_pool_connections=settings.max_connections,
            # R2 refuses the checksum trailers that boto3 adds by itself
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def _range(answer: dict[str, Any], received: int) -> tuple[int, int]:
    """First byte and total size, from `Content-Range: bytes 3-9/100` where the answer is a part."""
    stated = answer.get("ContentRange")
    if not stated:
        return 0, received
    span, total = str(stated).removeprefix("bytes ").split("/")
    return int(span.split("-")[0]), int(total)


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _raise(error: Any, key: str) -> NoReturn:
    """The port's error for what S3 refused."""
    code, status = _code(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _NOT_THERE:
        raise NotFound(f"There is no object {key}.") from None
    if code in ("PreconditionFailed", "412"):
        raise Conflict(f"The object {key} is already there.") from None
    if code in ("InvalidRange", "416"):
        raise NotFound(f"The object {key} is shorter than that.") from None
    if code in _KEY_REFUSED:
        raise Unavailable(f"The object store refused the key ({code}): check {_SETTING_OF_KEY_FAULT}.") from None
    raise Unavailable(f"The object store failed with {code or status}; try again.") from None


def _refusal(settings: S3Settings, error: Any) -> str:
    code = _code(error)
    if code in ("NoSuchBucket", "404", "InvalidBucketName"):
        return f"There is no bucket “{settings.bucket}”: check `r2_bucket`."
    if code in ("RequestTimeTooSkewed", "RequestExpired"):
        return "The object store refused the request because this machine's clock is wrong: set the clock."
    if code in _KEY_REFUSED:
        return f"The object store refused the key ({code}): check {_SETTING_OF_KEY_FAULT}."
    return f"The object store at {settings.endpoint_url} failed with {code}: check `r2_endpoint`."
