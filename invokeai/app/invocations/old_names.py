"""Names that node packs written for earlier versions import from where they used to be.

A missing module of the table is answered with one that finds its names in the node API; a moved name of a module that
still exists is answered the same way. Each is logged once, with the place to import it from.
"""

import importlib
import importlib.abc
import importlib.machinery
import logging
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

logger = logging.getLogger(__name__)

API = "invokeai.invocation_api"
OLD_MODULES: dict[str, str] = {
    "invokeai.app.models": API,
    "invokeai.app.models.image": API,
    "invokeai.app.shared": API,
    "invokeai.app.shared.fields": API,
    "invokeai.app.shared.models": "invokeai.app.invocations.model",
    "invokeai.app.util": API,
    "invokeai.app.util.misc": "invokeai.app.invocations.node_constants",
    "invokeai.app.invocations.constants": "invokeai.app.invocations.node_constants",
    "invokeai.app.services.image_records.image_records_common": API,
    "invokeai.app.services.shared.sqlite": API,
    "invokeai.backend.model_manager": "invokeai.app.services.model_manager.taxonomy",
    "invokeai.backend.model_manager.config": "invokeai.app.services.model_manager.taxonomy",
    "invokeai.backend.model_manager.taxonomy": "invokeai.app.services.model_manager.taxonomy",
}
"""Where packs look, and where the names are."""


def moved(old_module: str, name: str, new_module: str = API) -> Any:
    """The object that moved from `old_module` to `new_module`.

    Raises:
        AttributeError: it is in neither.
    """
    if name.startswith("_"):
        raise AttributeError(f"module {old_module!r} has no attribute {name!r}")
    try:
        found = getattr(importlib.import_module(new_module), name)
    except AttributeError:
        raise AttributeError(f"module {old_module!r} has no attribute {name!r}") from None
    logger.warning("A node imports %s from %s; it is in %s now", name, old_module, new_module)
    return found


class _OldModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in OLD_MODULES:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        old, new = module.__name__, OLD_MODULES[module.__name__]
        vars(module)["__getattr__"] = lambda name: moved(old, name, new)


_finder = _OldModules()


def accept_old_imports() -> None:
    """Let `import` find the old modules that do not exist any more. Repeating it does nothing."""
    if _finder not in sys.meta_path:
        sys.meta_path.append(_finder)
