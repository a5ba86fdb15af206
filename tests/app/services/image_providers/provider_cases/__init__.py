"""One module per provider, each with its `CASE`: what the shared contract suite has to know about it."""

import importlib
import pkgutil
from dataclasses import dataclass, field
from typing import Any

from invokeai.app.services.image_providers.capabilities import ImageMode
from invokeai.app.services.image_providers.generation import CostKind
from invokeai.app.services.image_providers.http_provider import HttpImageProvider
from invokeai.app.services.image_providers.image_model import ImageModel
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import OutcomeUnknown, ProviderError
from tests.simulators.simulator import Simulator


@dataclass(frozen=True, kw_only=True)
class ProviderCase:
    """`lost_answer_is_found`: after a lost answer to the paid request, the provider can be asked for the picture.

    `sizes` are asked for by model id, where 1024×1024 is none; for work on a picture they are that picture's, where
    512×512 is none. `options` go with every request to generate.
    """

    provider: type[HttpImageProvider]
    simulator: type[Simulator]
    cost_kind: CostKind
    mode: ImageMode = "txt2img"
    """What is asked for where the mode does not matter."""
    free_requests_first: int = 0
    """So many lead to the paid one."""
    lost_answer_is_found: bool = False
    takes_back: bool = False
    """Whether a job can be canceled there."""
    serves_addresses: bool = False
    server_error: type[ProviderError] = OutcomeUnknown
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    extra_models: tuple[str, ...] = ()
    """Models that are not listed but may be asked for."""
    outpaint_models: tuple[str, ...] = ()
    """Models that inpaint nothing but new edges around a whole picture, so that is what they are asked for."""
    wordless_models: tuple[str, ...] = ()
    """Models that take no prompt."""
    configured_models: tuple[str, ...] = ()
    """What the settings name, for a provider that is not known to have models."""
    transport: str = ""
    """Set where the provider has another case, over its usual one."""
    hints_waits: bool = True
    """Whether the service says how long to wait after a rate limit."""

    @property
    def name(self) -> str:
        return self.provider.info.provider_id

    @property
    def label(self) -> str:
        """The case's own name in the suites."""
        return f"{self.name}-{self.transport}" if self.transport else self.name

    def credentials(self, key: str, base_url: str) -> ProviderCredentials:
        """What is in force in front of a simulator."""
        return ProviderCredentials(key, base_url, models=self.configured_models)

    def models(self) -> list[ImageModel]:
        """Those that are listed."""
        return list(self._made().models())

    def default_model(self) -> str:
        """Used where none is named."""
        return self._made().default_model()

    def _made(self) -> HttpImageProvider:
        return self.provider(lambda: self.credentials("", "https://pictures.example.org"))


def all_cases() -> list[ProviderCase]:
    """The case of every module beside this file."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return [module.CASE for module in modules]
