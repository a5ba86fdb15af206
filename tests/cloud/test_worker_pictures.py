"""Pictures from the bucket while the container sleeps: no request reaches it, and no client can tell the difference."""

import io
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from PIL import Image

from invokeai.app.services.image_files.image_files_r2 import R2ImageFileStorage
from tests.cloud.cloud_worker import CloudDeployment, CloudWorker
from tests.cloud.recording_origin import RecordingOrigin

GALLERY = 500
SAME_HEADERS = (
    "accept-ranges",
    "content-disposition",
    "content-length",
    "content-range",
    "content-security-policy",
    "content-type",
    "etag",
    "x-content-type-options",
)


@pytest.fixture(scope="module")
def asleep() -> Iterator[RecordingOrigin]:
    """What stands where the container would: it keeps what reaches it."""
    origin = RecordingOrigin()
    yield origin
    origin.stop()


@pytest.fixture(scope="module")
def worker(asleep: RecordingOrigin) -> Iterator[CloudWorker]:
    worker = CloudWorker(asleep.base_url)
    yield worker
    worker.stop()


@pytest.fixture
async def browser(worker: CloudWorker) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(worker.base_url, headers=worker.sign_in()) as session:
        yield session


def png(shade: int = 0) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (shade, 90, 30)).save(file, "PNG")
    return file.getvalue()


async def test_a_gallery_of_500_pictures_does_not_wake_the_container(
    worker: CloudWorker, browser: aiohttp.ClientSession, asleep: RecordingOrigin
) -> None:
    pictures = [f"{n:08d}-0000-4000-8000-000000000000.png" for n in range(GALLERY)]
    worker.put_all({f"thumbnails/{name[:-4]}.webp": name.encode() for name in pictures}, "image/webp")
    worker.put(f"images/{pictures[0]}", png())
    tags = {}
    for name in pictures:
        async with browser.get(f"/api/v1/images/i/{name}/thumbnail") as answer:
            assert (answer.status, await answer.read()) == (200, name.encode())
            assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
            tags[name] = answer.headers["etag"]
    for name in pictures[:20]:
        again = await browser.get(f"/api/v1/images/i/{name}/thumbnail", headers={"if-none-match": tags[name]})
        assert again.status == 304
    assert await (await browser.get(f"/api/v1/images/i/{pictures[0]}/full")).read() == png()
    assert asleep.requests == []


async def test_pictures_are_for_those_who_are_signed_in(worker: CloudWorker, asleep: RecordingOrigin) -> None:
    worker.put("images/secret.png", png())
    async with aiohttp.ClientSession(worker.base_url) as stranger:
        assert (await stranger.get("/api/v1/images/i/secret.png/full")).status == 401
    assert asleep.requests == []


async def test_what_the_bucket_does_not_hold_is_the_containers_to_answer(
    worker: CloudWorker, browser: aiohttp.ClientSession, asleep: RecordingOrigin
) -> None:
    worker.put("images/gone.png", png())
    assert (await browser.get("/api/v1/images/i/gone.png/full")).status == 200
    worker.delete("images/gone.png")
    asleep.requests.clear()
    calls = [
        "GET /api/v1/images/i/gone.png/full",
        "HEAD /api/v1/images/i/gone.png/full",
        "GET /api/v1/images/i/gone.png/thumbnail",
        "GET /api/v1/images/i/gone.png/metadata",
        "GET /api/v1/images/i/.hidden/full",
    ]
    for call in calls:
        method, path = call.split()
        assert (await browser.request(method, path)).status == 200
    await browser.get("/api/v1/images/i/gone.png/full", headers={"range": "bytes=99-"})
    assert [f"{request.method} {request.path}" for request in asleep.requests] == [*calls, calls[0]]


@pytest.mark.parametrize("name", ["a.png", "a.b.png", "plain", "ends.", "under_score-1.PNG", "x" * 116 + ".png"])
async def test_keys_are_those_of_the_servers_storage(
    worker: CloudWorker, browser: aiohttp.ClientSession, asleep: RecordingOrigin, name: str
) -> None:
    storage = R2ImageFileStorage("bucket", "account", "id", "secret")
    asleep.requests.clear()
    for kind in ("full", "thumbnail"):
        key = storage.get_path(name, thumbnail=kind == "thumbnail")
        worker.put(key, key.encode(), "image/png")
        answer = await browser.get(f"/api/v1/images/i/{name}/{kind}")
        assert (answer.status, await answer.text()) == (200, key)
    assert asleep.requests == []


async def test_the_worker_answers_as_the_server_does(cloud_worker: CloudDeployment) -> None:
    """The same picture from the bucket and from the server's own route: status, headers and bytes."""
    headers = cloud_worker.worker.sign_in()
    async with (
        aiohttp.ClientSession(cloud_worker.url, headers=headers) as worker,
        aiohttp.ClientSession(cloud_worker.studio.base_url) as server,
    ):
        form = aiohttp.FormData()
        form.add_field("file", png(200), filename="sea.png", content_type="image/png")
        sent = await worker.post("/api/v1/images/upload?image_category=user&is_intermediate=false", data=form)
        name = (await sent.json())["image_name"]
        assert await cloud_worker.worker.copy_bucket(cloud_worker.s3) >= 2
        for kind in ("full", "thumbnail"):
            path = f"/api/v1/images/i/{name}/{kind}"
            whole = await server.get(path)
            tag, size = whole.headers["etag"], int(whole.headers["content-length"])
            conditions: list[dict[str, str]] = [
                {},
                {"if-none-match": tag},
                {"if-none-match": f'"other", W/{tag}'},
                {"if-none-match": "*"},
                {"if-none-match": '"other"'},
                {"range": "bytes=0-9"},
                {"range": "bytes=5-"},
                {"range": "bytes=-7"},
                {"range": f"bytes=0-{size * 2}"},
                {"range": f"bytes={size}-"},
                {"range": "bytes=-0"},
                {"range": "bytes=9-2"},
                {"range": "bytes=-"},
                {"range": f"bytes={'9' * 5000}-"},
                {"range": "lines=1-2"},
                {"range": "bytes=0-1", "if-range": tag},
                {"range": "bytes=0-1", "if-range": '"other"'},
                {"range": "bytes=0-1", "if-none-match": tag},
            ]
            for method in ("GET", "HEAD") if kind == "full" else ("GET",):
                for condition in conditions if method == "GET" else conditions[:5]:
                    asked = {"accept-encoding": "identity", **condition}
                    left = await worker.request(method, path, headers=asked)
                    right = await server.request(method, path, headers=asked)
                    assert left.status == right.status, (method, condition)
                    assert await left.read() == await right.read(), (method, condition)
                    if left.status == 416:
                        assert left.headers["cache-control"] == right.headers["cache-control"] == "no-store"
                        assert "etag" not in left.headers
                    for header in SAME_HEADERS:
                        if left.status not in (304, 416) or header not in ("content-type", "content-length"):
                            assert left.headers.get(header) == right.headers.get(header), (method, condition, header)
        # it was the bucket that answered: it still has what the server does not have any more
        assert (await server.delete(f"/api/v1/images/i/{name}")).status == 200
        assert (await server.get(f"/api/v1/images/i/{name}/full")).status == 404
        assert (await worker.get(f"/api/v1/images/i/{name}/full")).status == 200
