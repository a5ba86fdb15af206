"""Nodes that keep a picture: in the gallery, in a folder, or in view."""

import re
from pathlib import Path
from typing import Literal

from invokeai.app.invocations.image_access import save
from invokeai.invocation_api import (
    BaseInvocation,
    ImageField,
    ImageOutput,
    InputField,
    InvalidInput,
    InvocationContext,
    WithBoard,
    WithMetadata,
    invocation,
)

_OWN_FOLDERS = frozenset({"images", "thumbnails", "tensors", "workflow_thumbnails", "style_presets"})
_NAME_PART = re.compile(r"[\w .()\[\]+-]{0,100}")


@invocation(
    "save_image",
    title="Save Image",
    tags=["primitives", "image"],
    category="image",
    version="1.2.2",
    use_cache=False,
)
class SaveImageInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Stores a copy of a picture."""

    image: ImageField = InputField(description="The picture to store.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        return save(context, context.images.get_pil(self.image.image_name))


@invocation("show_image", title="Show Image", tags=["image"], category="image", version="1.0.1")
class ShowImageInvocation(BaseInvocation):
    """Passes a picture on; its node shows it."""

    image: ImageField = InputField(description="The picture to show.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        return ImageOutput.build(context.images.get_dto(self.image.image_name))


@invocation(
    "save_image_to_file",
    title="Save Image (Gallery + File Export)",
    tags=["image", "export", "file", "save"],
    category="image",
    version="1.0.0",
    use_cache=False,
)
class SaveImageToFileInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Stores a copy of a picture in the gallery, and as a file in a folder below the server's outputs."""

    image: ImageField = InputField(description="The picture to store.")
    output_directory: str = InputField(default="", description="Folder below the outputs, such as exports/2026.")
    prefix: str = InputField(default="", description="Text before the picture's id in the file's name.")
    suffix: str = InputField(default="", description="Text after the picture's id in the file's name.")
    file_format: Literal["png", "jpg", "webp"] = InputField(default="png", description="Kind of file.")
    quality: int = InputField(default=95, ge=1, le=100, description="Quality of JPG and WEBP files.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.files import write_image

        config = context.config.get()
        folder = export_folder(config.under_root(config.outputs_path), self.output_directory)
        for part in (self.prefix, self.suffix):
            if not _NAME_PART.fullmatch(part):
                raise InvalidInput(
                    f"{part[:40]!r} cannot be part of a file name; use letters, digits, - _ . and spaces."
                )
        image = context.images.get_pil(self.image.image_name)
        output = save(context, image)
        name = f"{self.prefix}{Path(output.image.image_name).stem}{self.suffix}.{self.file_format}"
        write_image(image, folder / name, self.quality)
        return output


def export_folder(outputs: Path, directory: str) -> Path:
    """The folder below `outputs` that `directory` names. It is not made yet.

    Raises:
        InvalidInput: the path is absolute, leaves the outputs, or lies where the studio keeps its own files.
    """
    parts = Path(directory.replace("\\", "/")).parts
    if any(part in ("..", "/") or ":" in part or "\0" in part or part.startswith("~") for part in parts):
        raise InvalidInput(f"{directory[:80]!r} is no folder below the outputs; give a relative path without `..`.")
    base = outputs.resolve()
    folder = base.joinpath(*parts).resolve()
    if not folder.is_relative_to(base):
        raise InvalidInput(f"{directory[:80]!r} leads out of the outputs folder.")
    if parts and parts[0].lower() in _OWN_FOLDERS:
        raise InvalidInput(f"The folder {parts[0]!r} holds the studio's own files; choose another one.")
    return folder
