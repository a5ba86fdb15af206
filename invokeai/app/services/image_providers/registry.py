"""Finding providers: each is one class in one module, and nothing else has to be edited to add it.

Modules come from the `providers` package beside this file, from installed packages (entry point group
`invokeai.image_providers`) and from `<root>/providers/*.py`. A broken module is reported and left out, never fatal.
"""

import importlib
import importlib.util
import inspect
import logging
import pkgutil
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from invokeai.app.services.image_providers import providers as builtin
from invokeai.app.services.image_providers.provider import ImageProvider, ProviderCredentials
from invokeai.app.services.shared.faults import faults_are_logged

logger = logging.getLogger(__name__)

ENTRY_POINT_GROUP = "invokeai.image_providers"
CredentialsOf = Callable[[str], ProviderCredentials]


def load_providers(credentials_of: CredentialsOf, folder: Path | None = None) -> list[ImageProvider]:
    """Every provider found, by priority, then by id. `folder` holds the user's own modules.

    A user's provider replaces a built-in one of the same id.
    """
    classes: dict[str, type[ImageProvider]] = {}
    for load in _loaders(folder):
        with faults_are_logged(logger, "A provider module could not be loaded and is left out"):
            for provider in _provider_classes(load()):
                classes[provider.info.provider_id] = provider
    found = [provider(_source(credentials_of, provider_id)) for provider_id, provider in classes.items()]
    return sorted(found, key=lambda p: (p.info.priority, p.info.provider_id))


def _source(credentials_of: CredentialsOf, provider_id: str) -> Callable[[], ProviderCredentials]:
    return lambda: credentials_of(provider_id)


def _loaders(folder: Path | None) -> Iterator[Callable[[], ModuleType]]:
    for module in pkgutil.iter_modules(builtin.__path__):
        name = f"{builtin.__name__}.{module.name}"
        yield lambda name=name: importlib.import_module(name)  # type: ignore[misc]
    for point in entry_points(group=ENTRY_POINT_GROUP):
        yield lambda point=point: importlib.import_module(point.module)  # type: ignore[misc]
    if folder is not None and folder.is_dir():
        for path in sorted(folder.glob("*.py")):
            yield lambda path=path: _load_file(path)  # type: ignore[misc]


def _load_file(path: Path) -> ModuleType:
    name = f"invokeai_user_providers.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _provider_classes(module: ModuleType) -> Iterator[type[ImageProvider]]:
    for value in vars(module).values():
        if not isinstance(value, type) or value.__module__ != module.__name__:
            continue
        if issubclass(value, ImageProvider) and not inspect.isabstract(value):
            yield value
