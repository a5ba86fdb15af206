"""What pictures cost, as JSON or CSV, and the caps on it. Amounts are decimal text; what is not known has none."""

import csv
import io
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from invokeai.app.api.auth import AdminDep, CurrentUserDep
from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.services.image_providers.spend_reports import SpendBy, SpendRow

spend_router = APIRouter(prefix="/v1/app/spend", tags=["app"])

Amount = Annotated[Decimal, Field(ge=0, le=1_000_000)]


class SpendReport(BaseModel):
    """Sums by name and currency. Pictures of unknown cost are in no amount; free pictures are in no row."""

    model_config = ConfigDict(defer_build=True)

    by: str
    rows: list[SpendRow]
    images_of_unknown_cost: int
    calls_maybe_billed: int


class SpendCapsInForce(BaseModel):
    """US dollars a UTC day, and what a picture of unknown price counts; null: none."""

    daily_spend_cap: str | None
    daily_spend_cap_per_user: str | None
    assumed_image_cost: str | None


class SpendCapsChange(BaseModel):
    """What to change; members left out stay as they are, null takes a cap away."""

    model_config = ConfigDict(extra="forbid")

    daily_spend_cap: Amount | None = None
    daily_spend_cap_per_user: Amount | None = None
    assumed_image_cost: Amount | None = None


@spend_router.get("", operation_id="get_spend", response_model=SpendReport)
async def get_spend(
    services: ServicesDep,
    user: CurrentUserDep,
    by: Annotated[SpendBy, Query(description="What a row stands for.")] = "day",
    first: Annotated[date, Query(alias="from", description="First UTC day.")] = date.min,
    last: Annotated[date, Query(alias="to", description="Last UTC day.")] = date.max,
    format: Annotated[Literal["json", "csv"], Query(description="json or csv.")] = "json",
) -> SpendReport | Response:
    """What was spent. An administrator sees everyone's, others their own."""
    own = None if user.is_admin else user.user_id
    rows = await services.spend_reports.report(by, first.isoformat(), last.isoformat(), own)
    if format == "csv":
        headers = {"content-disposition": f'attachment; filename="spend-by-{by}.csv"'}
        return Response(_csv(rows), media_type="text/csv; charset=utf-8", headers=headers)
    return SpendReport(
        by=by,
        rows=rows,
        images_of_unknown_cost=sum(row.images_of_unknown_cost for row in rows),
        calls_maybe_billed=sum(row.calls_maybe_billed for row in rows),
    )


@spend_router.get("/caps", operation_id="get_spend_caps")
async def get_spend_caps(services: ServicesDep) -> SpendCapsInForce:
    """The caps in force."""
    return SpendCapsInForce(**services.spend_caps.in_force())


@spend_router.patch("/caps", operation_id="update_spend_caps")
async def update_spend_caps(services: ServicesDep, _: AdminDep, changes: SpendCapsChange) -> SpendCapsInForce:
    """Change caps while the server runs."""
    await services.spend_caps.change(changes.model_dump(exclude_unset=True))
    return SpendCapsInForce(**services.spend_caps.in_force())


def _csv(rows: list[SpendRow]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(SpendRow.__dataclass_fields__))
    writer.writeheader()
    for row in rows:
        cells = asdict(row)
        if row.name[:1] in "=+-@":  # a name that a spreadsheet would run as a formula
            cells["name"] = "'" + row.name
        writer.writerow(cells)
    return text.getvalue()
