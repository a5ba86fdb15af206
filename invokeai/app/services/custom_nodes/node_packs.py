"""Node packs: folders and single files below the `nodes` folder, imported at start and on reload.

A pack that fails to import leaves nothing behind, in the registry or among Python's modules, and never stops the
server: it is reported by name with its error. A pack is imported once per process.
"""

import importlib.machinery
import importlib.util
import logging
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from invokeai.app.invocations.old_names import accept_old_imports
from invokeai.app.invocations.registry import InvocationRegistry
from invokeai.app.services.shared.errors import NotFound

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NodePack:
    """A pack that is loaded, and the types of its nodes."""

    name: str
    path: Path
    node_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodePackFault:
    """A pack that could not be loaded, and why."""

    name: str
    path: Path
    error: str


class CustomNodesService:
    """The node packs of one folder. Blocking: importing runs the packs' code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: dict[str, Path] = {}
        self._faults: dict[str, NodePackFault] = {}

    def load(self) -> list[NodePackFault]:
        """Import the packs that are new since the last call, and try again those that failed; answers the failures."""
        accept_old_imports()
        self._faults.clear()
        for path in self._candidates():
            name = path.stem if path.is_file() else path.name
            if name in self._loaded:
                continue
            if unfit := _unfit(name):
                self._faults[name] = NodePackFault(name, path, unfit)
                continue
            try:
                _import_pack(name, path)
            except (Exception, SystemExit) as error:  # a pack is foreign code: whatever it does, the server goes on
                logger.exception("The node pack %s could not be loaded", name)
                _forget(name)
                self._faults[name] = NodePackFault(name, path, f"{type(error).__name__}: {error}")
            else:
                self._loaded[name] = path
        return self.faults()

    def packs(self) -> list[NodePack]:
        """The loaded packs with their node types, by name."""
        types: dict[str, list[str]] = {name: [] for name in self._loaded}
        for node in InvocationRegistry.get_invocation_classes():
            if node.UIConfig.node_pack in types:
                types[node.UIConfig.node_pack].append(node.get_type())
        return [NodePack(name, path, tuple(sorted(types[name]))) for name, path in sorted(self._loaded.items())]

    def faults(self) -> list[NodePackFault]:
        """The packs that failed at the last `load`, by name."""
        return [self._faults[name] for name in sorted(self._faults)]

    def uninstall(self, name: str) -> None:
        """Delete a pack's files and forget its nodes.

        Raises:
            NotFound: there is no such pack.
        """
        for path in self._candidates():
            if name == (path.stem if path.is_file() else path.name):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
                self._loaded.pop(name, None)
                self._faults.pop(name, None)
                _forget(name)
                return
        raise NotFound(f"There is no node pack {name!r}.")

    def _candidates(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return [
            path
            for path in sorted(self.folder.iterdir())
            if path.name[0] not in "._"
            and (path.suffix == ".py" if path.is_file() else (path / "__init__.py").is_file())
        ]


def _unfit(name: str) -> str | None:
    """Why a pack cannot have this name: it would take the place of another module."""
    if "." in name:
        return "The name of a node pack must not have a dot in it."
    if name in sys.modules or importlib.machinery.PathFinder.find_spec(name) is not None:
        return f"A Python package is already named {name}; rename the node pack."
    return None


def _import_pack(name: str, path: Path) -> None:
    if path.is_file():
        spec = importlib.util.spec_from_file_location(name, path)
    else:
        spec = importlib.util.spec_from_file_location(
            name, path / "__init__.py", submodule_search_locations=[str(path)]
        )
    if spec is None or spec.loader is None:
        raise ImportError("Python cannot import it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def _forget(name: str) -> None:
    InvocationRegistry.forget_pack(name)
    for module in [found for found in sys.modules if found == name or found.startswith(f"{name}.")]:
        del sys.modules[module]
