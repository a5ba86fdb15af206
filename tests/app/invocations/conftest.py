"""A node's surroundings in memory: pictures by name, tensors by name, settings of an empty root."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from invokeai.app.invocations import load_core_invocations
from invokeai.app.services.config.config import AppConfig
from invokeai.app.services.shared.errors import NotFound
from invokeai.invocation_api import BaseInvocationOutput, ImageField, InvocationRegistry


class MemoryImages:
    """What `context.images` offers, over a dict; pictures go through a PNG as in the studio."""

    def __init__(self) -> None:
        self.stored: dict[str, Image.Image] = {}

    def save(self, image: Image.Image, board_id: str | None = None, image_category: Any = None, metadata: Any = None):
        assert image.mode in ("L", "RGB", "RGBA", "1", "P", "LA", "I;16"), (
            f"a {image.mode} picture does not survive a PNG"
        )
        name = f"picture-{len(self.stored)}.png"
        self.stored[name] = image.copy()
        return self.get_dto(name)

    def get_pil(self, image_name: str, mode: str | None = None) -> Image.Image:
        if image_name not in self.stored:
            raise NotFound(f"There is no picture {image_name}.")
        image = self.stored[image_name]
        return image.convert(mode) if mode else image

    def get_dto(self, image_name: str) -> SimpleNamespace:
        image = self.get_pil(image_name)
        return SimpleNamespace(image_name=image_name, width=image.width, height=image.height)


class MemoryTensors:
    """What `context.tensors` offers, over a dict."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] = {}

    def save(self, tensor: Any) -> str:
        name = f"tensor-{len(self.stored)}"
        self.stored[name] = tensor.copy()
        return name

    def load(self, name: str) -> Any:
        if name not in self.stored:
            raise NotFound(f"There is no tensor {name}.")
        return self.stored[name]


class NodeBench:
    """Runs one node at a time. It is the node's context, too."""

    def __init__(self, root: Path) -> None:
        self.images = MemoryImages()
        self.tensors = MemoryTensors()
        self._config = AppConfig(root=root)
        self.config = SimpleNamespace(get=lambda: self._config)

    def limit_pixels(self, pixels: int) -> None:
        self._config = self._config.model_copy(update={"max_image_pixels": pixels})

    def put(self, image: Image.Image) -> ImageField:
        return ImageField(image_name=self.images.save(image).image_name)

    def invoke(self, node_type: str, **inputs: Any) -> BaseInvocationOutput:
        """The node's output; pictures among the inputs are stored first."""
        cls = InvocationRegistry.get_invocation(node_type)
        assert cls is not None, f"there is no node {node_type}"
        values = {k: self.put(v) if isinstance(v, Image.Image) else v for k, v in inputs.items()}
        node = cls(**values)
        node.check_inputs()
        return node.invoke(self)

    def image(self, node_type: str, **inputs: Any) -> Image.Image:
        """The picture that the node gives, whose output must tell its true size."""
        output = self.invoke(node_type, **inputs)
        image = self.images.get_pil(output.image.image_name)
        assert (output.width, output.height) == image.size
        return image


@pytest.fixture(scope="session", autouse=True)
def core_nodes() -> None:
    load_core_invocations()


@pytest.fixture
def bench(tmp_path: Path) -> NodeBench:
    return NodeBench(tmp_path)
