"""What a stored picture is for, and where it came from. The values are the contract's."""

from enum import Enum


class ImageCategory(str, Enum):
    """What a picture is for: `general` ones are results, the others are assets."""

    GENERAL = "general"
    MASK = "mask"
    CONTROL = "control"
    USER = "user"
    OTHER = "other"


class ResourceOrigin(str, Enum):
    """Where a picture came from: `internal` was made here, `external` was uploaded."""

    INTERNAL = "internal"
    EXTERNAL = "external"
