"""Deletes files that no record names, from time to time: what a crash between file and record leaves behind."""

from invokeai.app.services.images.images import ImageService
from invokeai.app.services.shared.sweep import FIRST_SECONDS, Sweep

OLDER_THAN_SECONDS = 3600.0
"""A younger file may still get its record."""


class OrphanSweep(Sweep):
    """Over the files of one library."""

    swept = "files that no record names"

    def __init__(self, images: ImageService, first_seconds: float = FIRST_SECONDS) -> None:
        super().__init__(first_seconds)
        self._images = images

    async def sweep(self) -> int:
        """Delete those that are old enough; how many."""
        return len(await self._images.sweep_orphans(OLDER_THAN_SECONDS))
