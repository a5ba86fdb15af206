"""One generation as providers see it: the request, the pictures that come back and what they cost.

A cost is never an invented zero: what is not known says `unknown` and has no amount.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

    from invokeai.app.services.image_providers.capabilities import ImageMode

ProgressListener = Callable[[str, float | None, "Image | None"], None]
"""Called on the event loop with a message, the share done (0..1 or None) and a small preview (or None)."""


class CostKind(StrEnum):
    """Where a figure comes from."""

    REPORTED = "reported"
    COMPUTED = "computed"
    ESTIMATED = "estimated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call cost. `amount` is a decimal text in `currency`, None when it is not known."""

    amount: str | None = None
    currency: str = "USD"
    kind: CostKind = CostKind.UNKNOWN


def cost_text(cost: Cost | None) -> str:
    """The cost in words: estimates with three digits, all others exactly; what is not known says so."""
    if cost is None or cost.amount is None:
        return "cost unknown"
    estimated, amount = cost.kind is CostKind.ESTIMATED, Decimal(cost.amount)
    whole, _, rest = f"{Decimal(f'{amount:.3g}') if estimated else amount:f}".partition(".")
    return f"{'about ' if estimated else ''}{whole}.{rest.rstrip('0').ljust(2, '0')} {cost.currency}"


def total_cost(costs: Sequence[Cost | None]) -> Cost:
    """The sum; unknown where one of them is, or where they are in several currencies."""
    known = [cost for cost in costs if cost is not None and cost.amount is not None]
    currencies = {cost.currency for cost in known}
    if len(known) < len(costs) or len(currencies) != 1:
        return Cost()
    kinds = {cost.kind for cost in known}
    kind = CostKind.ESTIMATED if CostKind.ESTIMATED in kinds else min(kinds)
    return Cost(f"{sum(Decimal(str(cost.amount)) for cost in known):f}", currencies.pop(), kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """What to generate. None means "not asked for", and only then may a provider choose.

    `model` is `provider/model`, `external://provider/model`, a record's key or hash, a model id that one provider has,
    or None for the default. The mask lies over the initial image; black (0) is where new content goes. `call_id` is the
    same when the same work is done again, and unique otherwise. `fallback` names models that may be used instead when
    the one before could not be reached and certainly cost nothing; empty: none.

    `upscale` and `remove_background` work on `init_image`; `scale` is how much larger each side becomes, and width and
    height are what `PictureWork.result_size` makes of them (`request_on` sees to that). There `strength` is how much a
    model may invent.
    """

    prompt: str
    model: str | None = None
    mode: ImageMode = "txt2img"
    negative_prompt: str | None = None
    seed: int | None = None
    num_images: int = 1
    width: int = 1024
    height: int = 1024
    image_size: str | None = None
    steps: int | None = None
    guidance: float | None = None
    strength: float | None = None
    scale: float | None = None
    init_image: Image | None = None
    mask_image: Image | None = None
    reference_images: tuple[Image, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    call_id: str | None = None
    fallback: tuple[str, ...] = ()
    on_progress: ProgressListener | None = None

    @property
    def input_pictures(self) -> list[Image]:
        """The initial image, where there is one, and the reference images, in that order."""
        return [*([self.init_image] if self.init_image is not None else []), *self.reference_images]


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """One picture: the file as the provider sent it (bytes, stored unchanged) or a decoded image; its seed if known."""

    image: Image | bytes
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageResult:
    """What came back. `model_id` is the model that was really used, `note` a sentence on a choice made for the user.

    `receipt_id` and `asked` (`provider/model`, where another was used) are filled in by the router.
    """

    images: tuple[GeneratedImage, ...]
    provider_id: str
    model_id: str
    cost: Cost = Cost()
    request_id: str | None = None
    provider_metadata: Mapping[str, Any] = field(default_factory=dict)
    note: str | None = None
    receipt_id: str | None = None
    asked: str | None = None
