"""What kinds of picture there are. The values are the contract's and stand in every stored record."""

from enum import StrEnum


class ResourceOrigin(StrEnum):
    """Where a picture came from."""

    INTERNAL = "internal"
    """Made here."""
    EXTERNAL = "external"
    """Uploaded."""


class ImageCategory(StrEnum):
    """What a picture is for. The gallery shows `general` as Images and the rest as Assets."""

    GENERAL = "general"
    MASK = "mask"
    CONTROL = "control"
    USER = "user"
    OTHER = "other"
