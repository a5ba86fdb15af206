"""A provider in front of its simulator, with a real receipt store: what the shared suites ask."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from invokeai.app.services.image_providers.capabilities import GENERATION_MODES, ImageMode
from invokeai.app.services.image_providers.generation import ImageRequest, ImageResult
from invokeai.app.services.image_providers.http_provider import HttpImageProvider
from invokeai.app.services.image_providers.image_model import ImageModel
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.picture_requests import sized
from invokeai.app.services.image_providers.receipts import CallKey, ReceiptStore
from invokeai.app.services.shared.database.base import Row
from invokeai.app.services.shared.database.sqlite import SqliteDatabase
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from tests.app.services.image_providers.provider_cases import ProviderCase
from tests.simulators.simulator import Simulator

KEY = CallKey("session", "node")


@dataclass
class CloudBench:
    """One provider, its simulator and the receipts. `restart` forgets all that a process forgets."""

    case: ProviderCase
    simulator: Simulator
    database: SqliteDatabase
    folder: Path
    key: str
    base_url: str

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """A new process over the same records."""
        self.provider = self._provider()
        self.receipts = ReceiptStore(self.database, DiskObjects(self.folder))
        self.manager = ImageServiceManager([self.provider], self.receipts)

    def _provider(self) -> HttpImageProvider:
        provider = self.case.provider(lambda: self.case.credentials(self.key, self.base_url))
        for name in ("pause_seconds", "first_poll_seconds", "longest_poll_seconds"):
            if hasattr(provider, name):
                setattr(provider, name, 0.01)
        return provider

    def request(self, mode: ImageMode | None = None, model_id: str | None = None, **changes: Any) -> ImageRequest:
        """A request that the model can do: its first size, and pictures where the mode (the case's own) needs them."""
        mode = mode or self.case.mode
        model_id = model_id or self.case.default_model()
        if mode not in GENERATION_MODES:
            return replace(self._work_request(mode, model_id), **changes)
        width, height = self.case.sizes.get(model_id, (1024, 1024))
        request = ImageRequest(
            prompt="a red fox in the snow",
            model=f"{self.case.name}/{model_id}",
            mode=mode,
            width=width,
            height=height,
            options=self.case.options,
        )
        if model_id in self.case.wordless_models:
            request = replace(request, prompt="")
        if mode != "txt2img":
            request = replace(request, init_image=scene(width, height))
        elif any(mode in (m.capabilities.input_image_required_for or ()) for m in self._listed(model_id)):
            request = replace(request, reference_images=(scene(256, 256),))
        if mode == "inpaint":
            made = edges if model_id in self.case.outpaint_models else hole
            request = replace(request, mask_image=made(width, height))
        return replace(request, **changes)

    def _listed(self, model_id: str) -> list[ImageModel]:
        return [model for model in self.provider.models() if model.model_id == model_id]

    def _work_request(self, mode: ImageMode, model_id: str) -> ImageRequest:
        """On a picture of the case's size for the model, with words where the model needs them."""
        name = f"{self.case.name}/{model_id}"
        work = self.manager.route(name).model.work
        assert work is not None
        words = "a red fox in the snow" if work.words == "required" else ""
        picture = scene(*self.case.sizes.get(model_id, (512, 512)))
        return sized(self.manager, ImageRequest(prompt=words, model=name, mode=mode, init_image=picture))

    async def generate(self, request: ImageRequest | None = None, key: CallKey = KEY) -> ImageResult:
        """Make and pay."""
        return await self.manager.generate(request or self.request(), key)

    async def receipt_row(self, key: CallKey = KEY) -> Row:
        """The receipt as the database has it."""
        row = await self.database.fetch_one("SELECT * FROM generation_receipts WHERE receipt_id = ?", key.receipt_id)
        assert row is not None
        return row

    async def aclose(self) -> None:
        await self.provider.aclose()


@asynccontextmanager
async def cloud_bench(case: ProviderCase, folder: Path) -> AsyncIterator[CloudBench]:
    """A started simulator and an empty database."""
    simulator = case.simulator()
    simulator.start()
    database = SqliteDatabase(folder / "receipts.db")
    await database.migrate()
    bench = CloudBench(case, simulator, database, folder / "objects", simulator.key, simulator.base_url)
    yield bench
    await bench.aclose()
    await database.close()
    simulator.stop()


def scene(width: int, height: int) -> Image.Image:
    """A picture to start from."""
    image = Image.new("RGB", (width, height), "#88b5dd")
    ImageDraw.Draw(image).rectangle((0, height // 2, width, height), fill="#2f7a3a")
    return image


def hole(width: int, height: int) -> Image.Image:
    """A mask: its black middle is made anew."""
    mask = Image.new("L", (width, height), 255)
    ImageDraw.Draw(mask).rectangle((width // 4, height // 4, width // 2, height // 2), fill=0)
    return mask


def edges(width: int, height: int) -> Image.Image:
    """A mask: a broad edge at the left and a small one below are made anew."""
    mask = Image.new("L", (width, height), 0)
    mask.paste(255, (width // 4, 0, width, height - 16))
    return mask
