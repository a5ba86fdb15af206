"""The provider shown in the docs: one short file, found in the providers folder, that keeps the router's promises."""

import base64
import shutil
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from aiohttp import web
from pydantic import Field

from invokeai.app.services.image_providers.generation import CostKind, ImageRequest
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import OutcomeUnknown, ProviderAuthError, ProviderRefused
from invokeai.app.services.image_providers.receipts import CallKey, ReceiptStore
from invokeai.app.services.image_providers.registry import load_providers
from invokeai.app.services.shared.database.sqlite import SqliteDatabase
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from tests.simulators.simulator import Fault, Handler, Rejected, Simulator, Strict

EXAMPLE = Path(__file__).parents[4] / "docs" / "examples" / "acme.py"
KEY = CallKey("session", "node")
REQUEST = ImageRequest(prompt="an anvil", model="acme/brush-2", width=128, height=64, seed=7)


class Drawing(Strict):
    text: str
    size: Annotated[list[int], Field(min_length=2, max_length=2)]
    seed: int | None = None


class AcmeSimulator(Simulator):
    name: ClassVar[str] = "acme"

    def paid_routes(self) -> dict[tuple[str, str], Handler]:
        return {("POST", "/v1/draw"): self.draw}

    def check_key(self, request: web.Request) -> None:
        if request.headers.get("X-Acme-Key") != self.key:
            raise Rejected(401, {"reason": "key", "why": "unknown key"})

    def trouble(self, fault: Fault) -> web.Response:
        return web.json_response({"reason": "policy", "why": "no anvils"}, status=400)

    def invalid(self, where: str, message: str) -> Rejected:
        return Rejected(422, {"reason": "fields", "why": f"{where}: {message}"})

    async def draw(self, request: web.Request) -> web.Response:
        asked = await self.body(request, Drawing)
        self.bill("job-1", Decimal("0.03"), 1, asked.model_dump())
        picture = base64.b64encode(self.picture(*asked.size, asked.text)).decode()
        return web.json_response({"id": "job-1", "picture": picture, "cents": "3", "seed": asked.seed})


@pytest.fixture
def acme() -> AsyncIterator[AcmeSimulator]:
    simulator = AcmeSimulator()
    simulator.start()
    yield simulator  # type: ignore[misc]
    simulator.stop()


@pytest.fixture
async def manager(tmp_path: Path, acme: AcmeSimulator) -> AsyncIterator[ImageServiceManager]:
    (tmp_path / "providers").mkdir()
    shutil.copy(EXAMPLE, tmp_path / "providers")
    database = SqliteDatabase(tmp_path / "receipts.db")
    await database.migrate()
    credentials = ProviderCredentials(acme.key, acme.base_url)
    found = load_providers(lambda _: credentials, tmp_path / "providers")
    manager = ImageServiceManager(found, ReceiptStore(database, DiskObjects(tmp_path)))
    yield manager
    await manager.aclose()
    await database.close()


def test_it_is_one_short_file() -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= 120


async def test_it_makes_a_picture_and_knows_its_cost(manager: ImageServiceManager, acme: AcmeSimulator) -> None:
    result = await manager.generate(REQUEST, KEY)
    assert (result.images[0].seed, result.cost.amount, result.cost.kind) == (7, "0.03", CostKind.REPORTED)
    again = await manager.generate(REQUEST, KEY)
    assert again.images == result.images and len(acme.ledger) == 1


async def test_its_failures_are_the_routers(manager: ImageServiceManager, acme: AcmeSimulator) -> None:
    acme.faults = [Fault("trouble", "refused prompt"), Fault("cut after")]
    with pytest.raises(ProviderRefused, match="no anvils"):
        await manager.generate(REQUEST, KEY)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown, match="may have been billed"):
            await manager.generate(REQUEST, CallKey("session", "other"))
    assert len(acme.ledger) == 1
    acme.key = "another"
    with pytest.raises(ProviderAuthError):
        await manager.generate(REQUEST, CallKey("session", "third"))
