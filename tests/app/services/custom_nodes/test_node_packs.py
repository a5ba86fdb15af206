"""Node packs: real files in a folder, loaded, run, reported, removed."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from invokeai.app.invocations import load_core_invocations
from invokeai.app.invocations.node_schemas import NodeSchemas
from invokeai.app.invocations.registry import InvocationRegistry
from invokeai.app.services.custom_nodes.node_packs import CustomNodesService
from invokeai.app.services.shared.errors import NotFound

SINGLE_FILE = '''
from typing import Optional
from invokeai.invocation_api import BaseInvocation, InputField, InvocationContext, ImageField, ImageOutput, invocation
from invokeai.invocation_api import IntegerOutput, LatentsOutput, MetadataOutput, SCHEDULER_NAME_VALUES

@invocation("pack_double", title="Double", tags=["x"], category="packs", version="1.0.0")
class DoubleInvocation(BaseInvocation):
    """Doubles."""
    value: int = InputField(default=1, description="A number")
    note: str = InputField(default=None, description="Nothing by default")
    image: Optional[ImageField] = InputField(default=None)

    def invoke(self, context: InvocationContext) -> IntegerOutput:
        return IntegerOutput(value=self.value * 2)
'''
PACKAGE_INIT = "from .nodes import TripleInvocation\n__all__ = ['TripleInvocation']\n"
OLD_PATHS = '''
from __future__ import annotations
from invokeai.app.invocations.baseinvocation import (
    BaseInvocation, BaseInvocationOutput, InputField, InvocationContext, OutputField, invocation, invocation_output,
)
from invokeai.app.invocations.primitives import ImageField, LatentsField
from invokeai.app.services.image_records.image_records_common import ImageCategory, ResourceOrigin
from invokeai.app.util.misc import SEED_MAX, get_random_seed
from invokeai.backend.model_manager import BaseModelType
from .numbers import FACTOR

@invocation_output("pack_triple_output")
class TripleOutput(BaseInvocationOutput):
    value: int = OutputField(description="Tripled")

@invocation("pack_triple", title="Triple", version="0.1.0")
class TripleInvocation(BaseInvocation):
    """Triples."""
    value: int = InputField(description="A number")

    def invoke(self, context: InvocationContext) -> TripleOutput:
        assert 0 <= get_random_seed() <= SEED_MAX and ImageCategory.GENERAL and BaseModelType.External
        return TripleOutput(value=self.value * FACTOR)
'''


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    load_core_invocations()
    yield tmp_path
    for name in ("double_pack", "triple_pack", "broken_pack", "thief_pack", "late_pack"):
        InvocationRegistry.forget_pack(name)
        for module in [found for found in sys.modules if found.split(".")[0] == name]:
            del sys.modules[module]


def test_files_and_packages_are_loaded_and_their_nodes_run(folder: Path) -> None:
    (folder / "double_pack.py").write_text(SINGLE_FILE)
    package = folder / "triple_pack"
    package.mkdir()
    (package / "__init__.py").write_text(PACKAGE_INIT)
    (package / "nodes.py").write_text(OLD_PATHS)
    (package / "numbers.py").write_text("FACTOR = 3\n")
    (folder / "_notes.py").write_text("raise RuntimeError('not a pack')")
    (folder / "README.md").write_text("not a pack")

    service = CustomNodesService(folder)
    assert service.load() == []
    assert [(pack.name, pack.path, pack.node_types) for pack in service.packs()] == [
        ("double_pack", folder / "double_pack.py", ("pack_double",)),
        ("triple_pack", package, ("pack_triple",)),
    ]

    double = InvocationRegistry.get_invocation("pack_double")
    triple = InvocationRegistry.get_invocation("pack_triple")
    assert double and triple
    node = double.model_validate({"id": "n", "type": "pack_double", "value": 21, "note": None, "image": None})
    assert node.invoke(None).value == 42  # type: ignore[union-attr]
    other = triple(id="n")
    other.set_input("value", 4)
    assert other.invoke(None).value == 12  # type: ignore[union-attr]

    schemas = NodeSchemas().schemas
    assert schemas["DoubleInvocation"]["node_pack"] == "double_pack"
    assert schemas["TripleInvocation"]["output"] == {"$ref": "#/components/schemas/TripleOutput"}


def test_a_broken_pack_is_reported_leaves_nothing_and_can_be_repaired(folder: Path) -> None:
    broken = folder / "broken_pack.py"
    broken.write_text(SINGLE_FILE.replace("pack_double", "pack_half") + "\nimport no_such_package_at_all\n")
    (folder / "double_pack.py").write_text(SINGLE_FILE)
    service = CustomNodesService(folder)

    faults = service.load()
    assert [(fault.name, "no_such_package_at_all" in fault.error) for fault in faults] == [("broken_pack", True)]
    assert [pack.name for pack in service.packs()] == ["double_pack"]
    assert InvocationRegistry.get_invocation("pack_half") is None and "broken_pack" not in sys.modules

    broken.write_text(SINGLE_FILE.replace("pack_double", "pack_half"))
    before = InvocationRegistry.get_invocation("pack_double")
    assert service.load() == []
    assert InvocationRegistry.get_invocation("pack_half") is not None
    assert InvocationRegistry.get_invocation("pack_double") is before, "a loaded pack is not imported again"


@pytest.mark.parametrize("code", ["import sys; sys.exit(3)", "def broken(:", "raise KeyError('x')"])
def test_no_pack_can_stop_the_server(folder: Path, code: str) -> None:
    (folder / "broken_pack.py").write_text(code)
    assert [fault.name for fault in CustomNodesService(folder).load()] == ["broken_pack"]


def test_a_pack_cannot_take_a_core_node_or_a_python_package(folder: Path) -> None:
    core = InvocationRegistry.get_invocation("add")
    (folder / "thief_pack.py").write_text(SINGLE_FILE.replace("pack_double", "add"))
    (folder / "json.py").write_text("VALUE = 1")
    import json

    faults = CustomNodesService(folder).load()
    assert [fault.name for fault in faults] == ["json", "thief_pack"]
    assert InvocationRegistry.get_invocation("add") is core
    assert sys.modules["json"] is json


def test_uninstalling_removes_files_and_nodes(folder: Path) -> None:
    (folder / "late_pack").mkdir()
    (folder / "late_pack" / "__init__.py").write_text(SINGLE_FILE.replace("pack_double", "pack_late"))
    service = CustomNodesService(folder)
    service.load()
    service.uninstall("late_pack")
    assert not (folder / "late_pack").exists() and service.packs() == []
    assert InvocationRegistry.get_invocation("pack_late") is None
    for name in ("late_pack", "../late_pack", "."):
        with pytest.raises(NotFound):
            service.uninstall(name)


def test_a_missing_folder_has_no_packs(tmp_path: Path) -> None:
    service = CustomNodesService(tmp_path / "none")
    assert service.load() == [] and service.packs() == []
