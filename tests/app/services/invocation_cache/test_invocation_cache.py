"""The cache of results: what is equal, what goes first, what goes with a picture."""

from pathlib import Path

from invokeai.app.invocations.fields import ImageField
from invokeai.app.invocations.primitive_outputs import ImageOutput, IntegerOutput
from invokeai.app.services.invocation_cache.invocation_cache import InvocationCache, cache_key
from tests.app.api.served_studio import served_studio
from tests.app.services.queue_studio import batch_of


def picture(name: str) -> ImageOutput:
    return ImageOutput(image=ImageField(image_name=name), width=1, height=1)


def test_the_key_is_everything_but_the_id() -> None:
    node = {"type": "add", "id": "1", "a": 1, "is_intermediate": True}
    assert cache_key(node) == cache_key({**node, "id": "2"})
    assert cache_key(node) != cache_key({**node, "a": 2})
    assert cache_key(node) != cache_key({**node, "is_intermediate": False})


def test_the_least_recently_used_result_goes_first() -> None:
    cache = InvocationCache(2)
    for name in ("a", "b"):
        cache.put(name.encode(), picture(name))
    assert cache.get(b"a") is not None
    cache.put(b"c", picture("c"))
    assert [cache.get(key) is not None for key in (b"a", b"b", b"c")] == [True, False, True]
    status = cache.status()
    assert (status.size, status.max_size, status.hits, status.misses) == (2, 2, 3, 1)


def test_results_go_with_their_pictures() -> None:
    cache = InvocationCache(8)
    cache.put(b"a", picture("a.png"))
    cache.put(b"n", IntegerOutput(value=1))
    cache.forget(["a.png", "b.png"])
    assert cache.get(b"a") is None
    assert cache.get(b"n") is not None


def test_off_and_of_size_nothing() -> None:
    cache = InvocationCache(0)
    cache.enable()
    cache.put(b"a", picture("a"))
    assert (cache.get(b"a"), cache.status().enabled, cache.status().size) == (None, False, 0)


async def test_a_deleted_picture_is_made_again(tmp_path: Path) -> None:
    async with served_studio(tmp_path) as studio:
        nodes = {"p": {"type": "blank_image", "width": 16, "height": 16}}
        names = []
        for _ in range(2):
            await studio.enqueue(batch_of(nodes))
            item: dict[str, object] = {}
            while item.get("status") != "completed":
                item = (await studio.http.get(f"/api/v1/queue/default/i/{len(names) + 1}")).json()
            (result,) = item["session"]["results"].values()  # type: ignore[index]
            names.append(result["image"]["image_name"])
            if len(names) == 1:
                await studio.http.delete(f"/api/v1/images/i/{names[0]}")
        assert names[0] != names[1]
        assert (await studio.http.get(f"/api/v1/images/i/{names[1]}")).status_code == 200
