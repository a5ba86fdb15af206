"""Pictures as files in a folder: `<name>` and `thumbnails/<stem>.webp`."""

from pathlib import Path

from invokeai.app.services.image_files.object_image_files import ObjectImageFiles
from invokeai.app.services.shared.objects.disk_objects import DiskObjects


class DiskImageFileStorage(ObjectImageFiles):
    """Files below `root`, which is made when the first one is stored."""

    def __init__(self, root: Path) -> None:
        super().__init__(DiskObjects(root), "", "thumbnails/")
        self._root = root

    def get_path(self, name: str, *, thumbnail: bool = False) -> str:
        """The file's path."""
        return str(self._root / self._key(name, thumbnail=thumbnail))
