"""A studio in this process that can die at any await: queue, processor, receipts, pictures and one provider.

Dying is an exception that nothing catches, after which the dead studio's stores refuse every call, as they would a
process that is gone. What it had written stays, and the next studio starts from it.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

from PIL import Image

from invokeai.app.invocations import load_core_invocations
from invokeai.app.services.config.config import AppConfig
from invokeai.app.services.events.events import Event, EventService
from invokeai.app.services.image_files.disk_image_file_storage import DiskImageFileStorage
from invokeai.app.services.image_providers.http_provider import HttpImageProvider
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.key_ring import key_in_use
from invokeai.app.services.image_providers.paid_recovery import PaidRecovery
from invokeai.app.services.image_providers.paid_work import wait_for_paid_work
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.receipts import ReceiptStore
from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.image_records.image_record_store import ImageRecordStore
from invokeai.app.services.images.images import ImageService
from invokeai.app.services.invocation_cache.invocation_cache import InvocationCache
from invokeai.app.services.session_processor.session_processor import SessionProcessor
from invokeai.app.services.session_queue.queue_models import Batch
from invokeai.app.services.session_queue.session_queue import SessionQueue
from invokeai.app.services.shared.database.base import (
    BatchResult,
    Database,
    DatabaseUnavailable,
    Result,
    Row,
    SqlValue,
    Statement,
)
from invokeai.app.services.shared.database.sqlite import SqliteDatabase
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from invokeai.app.services.shared.timestamps import timestamp_after
from tests.app.services.image_providers.provider_cases import ProviderCase
from tests.simulators.simulator import Simulator

T = TypeVar("T")
QUEUE = "default"
NODE = "picture"
SECONDS = 60.0
"""A history that takes longer has hung."""
CONFIG = AppConfig()
"""Read once: reading it costs more than a history."""
EXPIRE = "UPDATE session_queue SET lease_expires_at = '2000-01-01 00:00:00.000' WHERE status = 'in_progress'"
ENDED = "SELECT 1 FROM session_queue WHERE status NOT IN ('pending', 'in_progress')"
WRONG_KEY = "sk-of-another-account"


class Died(BaseException):
    """The process ended here."""


@dataclass
class Life:
    """Counts the places where a process may end, before and after each of its effects, and ends at one of them."""

    ends_at: int | None = None
    place: int = 0
    is_over: asyncio.Event = field(default_factory=asyncio.Event)
    trail: list[str] = field(default_factory=list)
    under_way: set[asyncio.Future[Any]] = field(default_factory=set)
    """Effects that have begun: they end before the next life begins, as they would have with the process."""

    async def around(self, what: str, effect: Awaitable[T]) -> T:
        """Do `effect`, or die before or after it."""
        try:
            self._step(f"before {what}")
        except Died:
            if asyncio.iscoroutine(effect):
                effect.close()
            raise
        work = asyncio.ensure_future(effect)
        self.under_way.add(work)
        work.add_done_callback(self.under_way.discard)
        result = await asyncio.shield(work)
        self._step(f"after {what}")
        return result

    def _step(self, where: str) -> None:
        if self.is_over.is_set():
            raise Died
        self.place += 1
        self.trail.append(where)
        if self.place == self.ends_at:
            self.is_over.set()
            raise Died


class MortalDatabase(Database):
    """Passes calls on while its studio lives. `away_at`: which call after the first request to a provider fails.

    An odd one fails before it does anything, an even one when all is written and only the answer is lost.
    """

    def __init__(self, inner: Database, life: Life, away_at: int | None = None) -> None:
        self._inner, self._life, self._away_at = inner, life, away_at
        self._calls = 0

    async def fetch(self, sql: str, *params: SqlValue) -> list[Row]:
        return await self._pass(f"reading {sql[:40]!r}", self._inner.fetch(sql, *params))

    async def execute(self, sql: str, *params: SqlValue) -> Result:
        return await self._pass(f"writing {sql[:40]!r}", self._inner.execute(sql, *params))

    async def batch(self, statements: Sequence[Statement]) -> list[BatchResult]:
        return await self._pass(f"batch {statements[0].sql[:40]!r}", self._inner.batch(statements))

    async def _pass(self, what: str, call: Coroutine[Any, Any, T]) -> T:
        self._calls += "before send" in self._life.trail
        fails = self._calls == self._away_at
        if fails:
            self._away_at = None
            if self._calls % 2:
                call.close()
                raise DatabaseUnavailable("The connection was cut.")
        result = await self._life.around(what, call)
        if fails:
            raise DatabaseUnavailable("The connection was cut.")
        return result

    async def migrate(self) -> list[str]:
        return []

    async def close(self) -> None:
        return None


@dataclass
class Library:
    """What outlives a studio: records, files, the provider's own memory."""

    root: Path
    database: SqliteDatabase
    case: ProviderCase
    simulator: Simulator
    spare: tuple[ProviderCase, Simulator] | None = None
    """Another provider, that the node allows instead."""
    two_keys: bool = False
    """There is a first key that the provider does not accept."""

    async def rows(self, sql: str) -> list[Row]:
        return await self.database.fetch(sql)

    async def give_picture(self, name: str, width: int, height: int) -> None:
        """Put a picture into the gallery that a node can work on."""
        images = ImageService(DiskImageFileStorage(self.root / "images"), ImageRecordStore(self.database), 10**9)
        await images.create(
            Image.new("RGB", (width, height), "#2f7a3a"),
            image_origin=ResourceOrigin.EXTERNAL,
            image_category=ImageCategory.USER,
            image_name=name,
            is_intermediate=True,
        )
        images.close()


class MortalStudio:
    """One life over a library."""

    def __init__(self, library: Library, ends_at: int | None, alone: bool = True, away_at: int | None = None) -> None:
        """`alone`: there is no second studio on the library. `away_at`: as `MortalDatabase`."""
        load_core_invocations()
        self.life, self.library = Life(ends_at), library
        root = library.root
        config = CONFIG.model_copy(update={"root": root})
        database = MortalDatabase(library.database, self.life, away_at)
        objects, files = DiskObjects(root), DiskImageFileStorage(root / "images")
        objects.put = self._mortal("object put", objects.put)  # type: ignore[method-assign]
        files.save = self._mortal("file save", files.save)  # type: ignore[method-assign]
        self.providers = [self._provider(library.case, library.simulator)]
        if library.spare:
            self.providers.append(self._provider(*library.spare))
        receipts = ReceiptStore(database, objects, alone=alone)
        receipts.open_calls.look_seconds = 0.005
        keys = (WRONG_KEY, library.simulator.key) if library.two_keys else ()
        self.manager = ImageServiceManager(self.providers, receipts, keys_of=lambda _: keys)
        self.images = ImageService(files, ImageRecordStore(database), config.max_image_pixels)
        self.images.patience_seconds = 0.0
        self.recovery = PaidRecovery(self.manager, receipts, self.images, alone=True)
        events = EventService()
        self.queue = SessionQueue(database, events, config.max_queue_size)
        services: Any = SimpleNamespace(
            config=config,
            database=database,
            invocation_cache=InvocationCache(0),
            images=self.images,
            image_generation=self.manager,
        )
        self.processor = SessionProcessor(services, self.queue, events)
        self.ended = asyncio.Event()
        events.subscribe(self._hear)

    def _provider(self, case: ProviderCase, simulator: Simulator) -> HttpImageProvider:
        def credentials() -> ProviderCredentials:
            return case.credentials(key_in_use(case.name) or simulator.key, simulator.base_url)

        provider = case.provider(credentials)
        for name in ("pause_seconds", "first_poll_seconds", "longest_poll_seconds"):
            if hasattr(provider, name):
                setattr(provider, name, 0.005)
        provider.send = self._mortal("send", provider.send)  # type: ignore[method-assign]
        provider._fetch = self._mortal("fetch", provider._fetch)  # type: ignore[method-assign]
        return provider

    def _mortal(self, what: str, method: Any) -> Any:
        async def call(*args: Any, **options: Any) -> Any:
            return await self.life.around(what, method(*args, **options))

        return call

    def _hear(self, event: Event) -> None:
        told = event.model_dump(mode="json")
        if event.event_name == "queue_item_status_changed" and told["status"] in ("completed", "failed", "canceled"):
            self.ended.set()

    async def live(self, batch: dict[str, Any] | None, *, cancel: bool = False) -> bool:
        """Start, enqueue `batch` if one is given, wait until the item ends or the studio dies; whether it lived."""
        asyncio.get_running_loop().set_exception_handler(_ignore_death)
        task = asyncio.create_task(self._live(batch, cancel))
        over = asyncio.create_task(self.life.is_over.wait())
        await asyncio.wait({task, over}, timeout=SECONDS, return_when=asyncio.FIRST_COMPLETED)
        hung = not task.done() and not self.life.is_over.is_set()
        lived = not hung and not self.life.is_over.is_set()
        if lived:
            try:
                task.result()
                await self.processor.stop()
                await self.manager.aclose()
            except Died:
                lived = False
        await self._bury(task, over)
        assert not hung, f"hung after {self.life.trail[-5:]}"
        return lived

    async def live_beside(self, other: MortalStudio, batch: dict[str, Any], stolen_at: int) -> None:
        """Live, lose the lease at a place as a server does that was away, and go on while `other` takes the item."""
        asyncio.get_running_loop().set_exception_handler(_ignore_death)
        first = asyncio.create_task(self._work(batch, False))
        while self.life.place < stolen_at and not first.done():
            await asyncio.sleep(0)
        await self.library.database.execute(EXPIRE)
        try:
            async with asyncio.timeout(SECONDS):
                await other.processor.start()
                while not await self.library.rows(ENDED) or self.processor._sessions or other.processor._sessions:
                    await asyncio.sleep(0.002)
                await wait_for_paid_work(SECONDS)
        finally:
            await self._bury(first)
            await other._bury()

    async def _live(self, batch: dict[str, Any] | None, cancel: bool) -> None:
        await self._work(batch, cancel)
        await wait_for_paid_work(SECONDS)
        await _again(lambda: self.recovery.give_up(timestamp_after(0)))
        await _again(lambda: self.recovery.recover(timestamp_after(0)))

    async def _work(self, batch: dict[str, Any] | None, cancel: bool) -> None:
        await self.processor.start()
        if batch is not None:
            await self.queue.enqueue(QUEUE, Batch.model_validate(batch), False)
        rows = await self.library.rows("SELECT item_id FROM session_queue WHERE status IN ('pending', 'in_progress')")
        told_nobody = False  # a cancel of which only the answer was lost
        if rows and cancel:
            while not self.provider_was_asked() and not self.ended.is_set():
                await asyncio.sleep(0.001)
            told_nobody = await _again(lambda: self.queue.cancel(QUEUE, int(str(rows[0]["item_id"]))))
        while rows and not self.ended.is_set():
            if told_nobody and await self.library.rows(ENDED):
                break
            await asyncio.sleep(0.001)

    def provider_was_asked(self) -> bool:
        """Whether a request has left in this life."""
        return any("send" in step for step in self.life.trail)

    async def _bury(self, *tasks: asyncio.Task[Any]) -> None:
        """End what the dead process was doing; it cannot write any more."""
        self.life.is_over.set()
        if self.life.under_way:
            await asyncio.wait(set(self.life.under_way), timeout=SECONDS)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, *tasks, return_exceptions=True)
        for provider in self.providers:
            await provider.aclose()
        self.images.close()


async def _again(action: Callable[[], Awaitable[object]]) -> bool:
    """As a user who clicks once more, or a look that comes again; whether there was need to."""
    try:
        await action()
    except DatabaseUnavailable:
        await action()
        return True
    return False


def _ignore_death(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A dead process reports no unretrieved exception."""
    if not isinstance(context.get("exception"), Died):
        loop.default_exception_handler(context)


def new_library(root: Path, template: Path, case: ProviderCase, simulator: Simulator) -> Library:
    """An empty library, its database copied from a migrated one."""
    root.mkdir(parents=True)
    shutil.copy(template, root / "studio.db")
    return Library(root, SqliteDatabase(root / "studio.db"), case, simulator)
