"""The same request under the same key is paid for once: repeated, side by side, on two servers, after a crash."""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pytest import MonkeyPatch

from invokeai.app.services.image_files.disk_image_file_storage import DiskImageFileStorage
from invokeai.app.services.image_providers import idempotent_calls
from invokeai.app.services.image_providers.capabilities import ExternalModelCapabilities
from invokeai.app.services.image_providers.gallery_generation import (
    GalleryCall,
    StoredGeneration,
    generate_to_gallery,
)
from invokeai.app.services.image_providers.generation import ImageRequest
from invokeai.app.services.image_providers.idempotent_calls import IdempotentCalls, KeyedRequest
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.paid_recovery import PaidRecovery
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderBadRequest,
    ProviderRateLimited,
)
from invokeai.app.services.image_providers.receipts import ReceiptStore
from invokeai.app.services.image_records.image_record_store import ImageRecordStore
from invokeai.app.services.images.images import ImageService
from invokeai.app.services.shared.database.base import Database
from invokeai.app.services.shared.errors import Conflict, InvalidInput
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from invokeai.app.services.shared.timestamps import timestamp_after
from tests.app.services.image_providers.fake_providers import PaidImageService, SlowImageService
from tests.app.services.shared.database.counting_database import CountingDatabase

REQUEST = ImageRequest(prompt="a fox", model="paid/pro", width=64, height=64)
KEYED = KeyedRequest.of("system", "order-7", b"a fox", 1)


@dataclass
class Server:
    """One of the servers that share records and files."""

    calls: IdempotentCalls
    manager: ImageServiceManager
    images: ImageService
    paid: PaidImageService
    free: SlowImageService

    async def ask(self, keyed: KeyedRequest | None = KEYED, request: ImageRequest = REQUEST) -> StoredGeneration:
        """What a route does."""

        async def make(call: GalleryCall) -> StoredGeneration:
            return await generate_to_gallery(self.manager, self.images, request, user_id="system", call=call)

        return await self.calls.once(keyed, make)


NewServer = Callable[[], Server]


@pytest.fixture
def database(any_database: Database) -> CountingDatabase:
    return CountingDatabase(any_database)


@pytest.fixture
def new_server(tmp_path: Path, database: CountingDatabase) -> NewServer:
    def make() -> Server:
        paid, free = PaidImageService(lambda: ProviderCredentials("k")), SlowImageService()
        receipts = ReceiptStore(database, DiskObjects(tmp_path / "objects"), alone=False)
        receipts.open_calls.look_seconds = 0
        images = ImageService(DiskImageFileStorage(tmp_path / "images"), ImageRecordStore(database), 10_000_000)
        manager = ImageServiceManager([paid, free], receipts)
        return Server(IdempotentCalls(database, images), manager, images, paid, free)

    return make


def names(done: StoredGeneration) -> list[str]:
    return [image.image_name for image in done.images]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def power_cut() -> bytes:
    raise SystemError("power cut")


async def pictures_in(database: CountingDatabase) -> int:
    return len(await database.fetch("SELECT 1 FROM images"))


async def test_a_repeat_is_answered_with_what_is_stored(new_server: NewServer, database: CountingDatabase) -> None:
    server = new_server()
    first = await server.ask()
    with database.counted() as trips:
        again = await server.ask()
    assert trips.count == 2
    assert names(again) == names(first) and again.cost == first.cost and again.seconds == first.seconds
    assert (again.result.provider_id, again.result.model_id) == ("paid", "pro")
    assert names(await new_server().ask()) == names(first), "also by another server, or after a restart"
    assert len(server.paid.sent) == 1 and await pictures_in(database) == 1


async def test_without_a_key_every_request_is_a_new_one(new_server: NewServer, database: CountingDatabase) -> None:
    server = new_server()
    assert names(await server.ask(None)) != names(await server.ask(None))
    assert len(server.paid.sent) == 2 and await database.fetch("SELECT 1 FROM idempotent_requests") == []


async def test_a_key_belongs_to_its_user_and_its_request(new_server: NewServer) -> None:
    server = new_server()
    await server.ask()
    with pytest.raises(Conflict, match="came with another request"):
        await server.ask(KeyedRequest.of("system", "order-7", b"a hen", 1))
    await server.ask(KeyedRequest.of("somebody", "order-7", b"a hen", 1))
    assert len(server.paid.sent) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "füchse", "a\tb"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput, match="from 1 to 255 plain characters"):
        KeyedRequest.of("system", key, b"", 1)


@pytest.mark.parametrize("model", ["paid/pro", "slow/plain"])
async def test_repeats_side_by_side_wait_for_the_first_one(
    new_server: NewServer, database: CountingDatabase, model: str
) -> None:
    server = new_server()
    server.paid.gate = server.free.hold = asyncio.Event()
    asking = [asyncio.create_task(server.ask(request=replace(REQUEST, model=model))) for _ in range(3)]
    await until(lambda: bool(server.paid.sent or server.free.calls))
    server.paid.gate.set()
    first, *others = [names(done) for done in await asyncio.gather(*asking)]
    assert others == [first, first]
    assert len(server.paid.sent) + len(server.free.calls) == 1 and await pictures_in(database) == 1


async def test_another_server_waits_for_the_one_that_has_sent_it(
    new_server: NewServer, database: CountingDatabase
) -> None:
    first, second = new_server(), new_server()
    first.paid.gate = asyncio.Event()
    sending = asyncio.create_task(first.ask())
    await until(lambda: bool(first.paid.sent))
    repeat = asyncio.create_task(second.ask())
    await until(lambda: bool(second.manager.metrics["paid"].failures["SentElsewhere"]))
    first.paid.gate.set()
    assert names(await repeat) == names(await sending)
    assert len(first.paid.sent) == 1 and second.paid.sent == [] and await pictures_in(database) == 1


async def test_a_failure_that_cost_nothing_is_tried_again_and_one_in_doubt_is_not(new_server: NewServer) -> None:
    server = new_server()
    server.paid.before_sending = ProviderRateLimited("slow down", retry_after=600)
    with pytest.raises(ProviderRateLimited):
        await server.ask()
    server.paid.before_sending = None
    server = new_server()  # the limit is remembered by the server

    def lose() -> bytes:
        raise OutcomeUnknown("lost")

    server.paid.script = lose
    for _ in range(3):
        with pytest.raises(OutcomeUnknown):
            await server.ask()
    assert len(server.paid.sent) == 1
    with pytest.raises(Conflict, match="came with another request"):
        await server.ask(replace(KEYED, digest="other"))


async def test_a_request_of_which_nothing_came_may_be_put_right_under_its_key(new_server: NewServer) -> None:
    server = new_server()
    with pytest.raises(ProviderBadRequest):
        await server.ask(request=replace(REQUEST, steps=5))
    await server.ask(replace(KEYED, digest="without steps"))
    assert len(server.paid.sent) == 1


async def test_what_a_dead_server_has_paid_for_is_taken_up(new_server: NewServer, database: CountingDatabase) -> None:
    """The first of two calls is stored, the second answered; then the server is gone, and another model is usual."""
    (pro,) = PaidImageService.info.models
    one = replace(pro, capabilities=ExternalModelCapabilities(max_images_per_request=1))
    dead, request = new_server(), replace(REQUEST, model=None, num_images=2)
    dead.manager.model_overrides = lambda *name: one if name == ("paid", "pro") else None
    create = dead.images.create

    async def die(*given: object, **named: object) -> object:
        if len(dead.paid.sent) == 2:
            raise SystemError("power cut")
        return await create(*given, **named)  # type: ignore[arg-type]

    dead.images.create = die  # type: ignore[method-assign, assignment]
    with pytest.raises(SystemError):
        await dead.ask(request=request)
    server = new_server()
    server.manager.model_overrides = dead.manager.model_overrides
    server.manager._default_model = "slow/plain"
    done = await server.ask(request=request)
    assert server.paid.sent == [] and server.free.calls == [] and len(dead.paid.sent) == 2
    assert len(set(names(done))) == 2 == await pictures_in(database) and done.cost.amount == "0.026"


async def test_a_repeat_of_half_a_request_takes_the_other_half_from_the_gallery(
    new_server: NewServer, database: CountingDatabase, tmp_path: Path
) -> None:
    """Nobody has the first picture any more but the gallery, and the second one failed at no cost."""
    (pro,) = PaidImageService.info.models
    one = replace(pro, capabilities=ExternalModelCapabilities(max_images_per_request=1))
    first, second = new_server(), new_server()
    for server in (first, second):
        server.manager.model_overrides = lambda *name: one if name == ("paid", "pro") else None

    def once_only() -> bytes:
        first.paid.before_sending = ProviderRateLimited("slow down", retry_after=600)
        return b"red"

    first.paid.script = once_only
    request, keyed = replace(REQUEST, num_images=2), replace(KEYED, pictures=2)
    with pytest.raises(ProviderRateLimited):
        await first.ask(keyed, request)
    assert await pictures_in(database) == 1
    shutil.rmtree(tmp_path / "objects")
    done = await second.ask(keyed, request)
    assert second.paid.asked == [] and len(first.paid.sent) == len(second.paid.sent) == 1
    assert len(set(names(done))) == 2 == await pictures_in(database) and done.cost.amount == "0.026"
    assert names(await second.ask(keyed, request)) == names(done)
    await second.images.delete(names(done)[:1])
    with pytest.raises(Conflict, match="deleted meanwhile"):
        await second.ask(keyed, request)


async def test_what_was_stored_after_the_server_was_gone_is_not_asked_for_again(
    new_server: NewServer, database: CountingDatabase
) -> None:
    dead = new_server()
    dead.paid.script = power_cut
    with pytest.raises(SystemError):
        await dead.ask()
    server = new_server()
    server.paid.can_be_asked = True
    await database.execute("UPDATE generation_receipts SET state = 'sent'")  # nobody was left to write the end
    recovery = PaidRecovery(server.manager, server.manager._receipts, server.images, alone=True)
    assert await recovery.recover(timestamp_after(1)) == 1
    server.paid.asked.clear()
    done = await server.ask()
    assert (done.result.provider_id, done.result.model_id, done.cost.amount) == ("paid", "pro", "0.013")
    assert len(names(done)) == 1 == await pictures_in(database) and server.paid.asked == server.paid.sent == []


async def test_pictures_that_were_deleted_are_not_made_again_by_themselves(new_server: NewServer) -> None:
    server = new_server()
    await server.images.delete(names(await server.ask()))
    with pytest.raises(Conflict, match="deleted meanwhile"):
        await server.ask()
    assert len(server.paid.sent) == 1


async def test_a_key_is_forgotten_after_a_day(new_server: NewServer, monkeypatch: MonkeyPatch) -> None:
    server = new_server()
    first = await server.ask()
    monkeypatch.setattr(idempotent_calls, "KEPT_SECONDS", -1)
    assert names(await server.ask()) != names(first) and len(server.paid.sent) == 2
