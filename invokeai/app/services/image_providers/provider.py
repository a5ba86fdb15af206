"""The ImageProvider port: one picture service, reachable or not, with its typed models.

A provider connects to nothing before `generate`, but for a list of models that only the service knows. `is_available`
asks nobody: the key and what it needs are there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from invokeai.app.services.image_providers.generation import Cost, CostKind

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.generation import ImageRequest, ImageResult
    from invokeai.app.services.image_providers.image_model import ImageModel, ProviderInfo
    from invokeai.app.services.image_providers.receipts import Receipt


@dataclass(frozen=True, slots=True)
class ProviderCredentials:
    """Key and address of a provider as they are in force now.

    `models` are ids for a provider that is not known to have any, `result_hosts` further hosts that keep its pictures,
    `options` what requests are made with that say nothing of them.
    """

    api_key: str | None = None
    base_url: str | None = None
    models: tuple[str, ...] = ()
    result_hosts: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    key_is_for_another_address: bool = False
    """There is a key, and it was given for another address than this one."""

    def __repr__(self) -> str:
        return f"ProviderCredentials(api_key={'set' if self.api_key else None}, base_url={self.base_url!r})"


CredentialsSource = Callable[[], ProviderCredentials]


class ImageProvider(ABC):
    """A service that makes pictures. Safe to use from many tasks of one event loop."""

    info: ClassVar[ProviderInfo]
    default_base_url: ClassVar[str] = ""
    api_hosts: ClassVar[tuple[str, ...]] = ()
    """Further hosts that the key may travel to, with all below them: the provider's other regions, job addresses."""
    base_url_schemes: ClassVar[tuple[str, ...]] = ("https",)
    """How a base URL may begin; on this machine also without TLS."""

    def __init__(self, credentials: CredentialsSource = ProviderCredentials) -> None:
        """`credentials` is asked anew for every use, so a key typed in the UI works at once."""
        self._credentials = credentials

    def is_available(self) -> bool:
        """Whether a request could be sent now."""
        return self.get_unavailability_reason() is None

    def get_unavailability_reason(self) -> str | None:
        """A sentence on what is missing, or None."""
        if self.info.needs_key and not self._credentials().api_key:
            return self.key_for_another_address() or f"No API key is set for {self.info.display_name}."
        return None

    def key_for_another_address(self) -> str | None:
        """A sentence, where there is a key and it is not sent to the base URL in force."""
        if not self._credentials().key_is_for_another_address:
            return None
        return (
            f"The key of {self.info.display_name} was given for another address than the base URL in force, so it is "
            "not sent there. Enter a key for that address too; a key of the environment goes there once the setting "
            "provider_base_urls names that address."
        )

    def get_setup_instructions(self) -> str:
        """How to make the provider available, in a sentence or two."""
        return f"Enter an API key for {self.info.display_name} in the model manager."

    def models(self) -> Sequence[ImageModel]:
        """Its models, as far as they are known now."""
        return self.info.models

    def default_model(self) -> str:
        """The id of the model that is used when none is named; empty where none is known."""
        return self.info.default_model

    async def refresh_models(self) -> None:
        """Ask the service for its models where only the service knows them: free, quick, and never fails."""
        return None

    def custom_model(self, model_id: str) -> ImageModel | None:
        """A model the provider is not known to have but may well serve, or None when only the listed ones exist."""
        return None

    def completed(self, request: ImageRequest) -> ImageRequest:
        """The request with the options of the settings, where it says nothing of them."""
        usual = self._credentials().options
        return replace(request, options={**usual, **request.options}) if usual else request

    def estimate(self, request: ImageRequest, model: ImageModel) -> Cost | None:
        """What the request would cost, before it is sent; None when nobody can tell."""
        if model.price_per_image is None:
            return None
        amount = Decimal(model.price_per_image) * request.num_images
        return Cost(str(amount), kind=CostKind.ESTIMATED)

    @abstractmethod
    async def generate(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> ImageResult:
        """The pictures. The request has been checked against `model`.

        A paid provider calls `receipt.sent()` just before the bytes leave and `receipt.answered(raw)` before it parses.
        Being cancelled stops the work, or at least the waiting.

        Raises:
            ProviderError: one of its subclasses, never a library's own error.
        """

    async def resume(self, receipt: Receipt) -> ImageResult | None:
        """The result of a call sent earlier, from its raw answer or by asking the provider; None: cannot tell."""
        return None

    def has_taken(self, receipt: Receipt) -> bool:
        """Whether the receipt of a call without an answer shows that it was taken, not only that it was sent."""
        return receipt.provider_ref is not None

    async def aclose(self) -> None:
        """Let go of connections."""
        return None
