"""The services that make up a running studio, in one typed record.

Built by `ApiDependencies.initialize`; read by routers, the processor and the invocation context.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from invokeai.app.services.config.config import AppConfig
    from invokeai.app.services.shared.database.base import Database
    from invokeai.app.services.tensors.tensor_store import TensorStore


@dataclass(slots=True, kw_only=True)
class Services:
    """Every service of a studio."""

    config: AppConfig
    database: Database
    tensors: TensorStore
