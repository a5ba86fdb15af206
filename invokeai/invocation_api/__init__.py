"""Everything that a node may import: the stable face of the server towards nodes.

What few nodes need is imported when it is first asked for (`_LATER`), to keep the start short.
"""

from importlib import import_module
from typing import Any

from invokeai.app.invocations.baseinvocation import (
    BaseInvocation,
    BaseInvocationOutput,
    Classification,
    InvocationRegistry,
    invocation,
    invocation_output,
)
from invokeai.app.invocations.fields import (
    BoardField,
    BoundingBoxField,
    ColorField,
    ConditioningField,
    DenoiseMaskField,
    FieldDescriptions,
    FieldKind,
    FieldValue,
    FluxConditioningField,
    ImageField,
    Input,
    InputField,
    LatentsField,
    MetadataField,
    OutputField,
    SD3ConditioningField,
    StylePresetField,
    SystemPromptField,
    TensorField,
    UIComponent,
    UIType,
    VideoField,
    WithBoard,
    WithMetadata,
    WithWorkflow,
)
from invokeai.app.invocations.model import (
    CLIPField,
    FreeUConfig,
    LoRAField,
    ModelIdentifierField,
    UNetField,
    VAEField,
)
from invokeai.app.invocations.primitive_outputs import (
    BooleanCollectionOutput,
    BooleanOutput,
    BoundingBoxCollectionOutput,
    BoundingBoxOutput,
    ColorCollectionOutput,
    ColorOutput,
    FloatCollectionOutput,
    FloatOutput,
    ImageCollectionOutput,
    ImageOutput,
    IntegerCollectionOutput,
    IntegerOutput,
    MaskOutput,
    StringCollectionOutput,
    StringOutput,
    VideoOutput,
)
from invokeai.app.services.image_providers.generation import ImageRequest, cost_text
from invokeai.app.services.image_providers.image_model import PictureWork
from invokeai.app.services.image_providers.paid_work import see_through
from invokeai.app.services.image_providers.picture_requests import request_on
from invokeai.app.services.image_providers.pictures import make_pictures
from invokeai.app.services.image_providers.receipts import CallKey
from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.model_manager.taxonomy import BaseModelType, ModelType, SubModelType
from invokeai.app.services.shared.errors import InvalidInput, NotAvailableHere
from invokeai.app.services.shared.invocation_context import AsyncInvocationContext, InvocationContext

_LATER = {
    **dict.fromkeys(("MetadataItemField", "MetadataItemOutput", "MetadataOutput"), "invokeai.app.invocations.metadata"),
    **dict.fromkeys(("SchedulerOutput", "SchedulerName"), "invokeai.app.invocations.schedulers"),
    **dict.fromkeys(("IdealSizeOutput", "ModelIdentifierOutput"), "invokeai.app.invocations.model_nodes"),
    **dict.fromkeys(("TBLR", "Tile", "TileWithImage"), "invokeai.app.invocations.tile_values"),
    **dict.fromkeys(("CalculateImageTilesOutput", "PairTileImageOutput"), "invokeai.app.invocations.tile_layout"),
    **dict.fromkeys(("CollectInvocationOutput", "IterateInvocationOutput"), "invokeai.app.invocations.iteration"),
    **dict.fromkeys(
        ("SEED_MAX", "LATENT_SCALE_FACTOR", "SCHEDULER_NAME_VALUES", "get_random_seed"),
        "invokeai.app.invocations.node_constants",
    ),
    **dict.fromkeys(
        (
            "CLIPOutput",
            "ConditioningCollectionOutput",
            "ConditioningOutput",
            "DenoiseMaskOutput",
            "FluxConditioningOutput",
            "GradientMaskOutput",
            "LatentsCollectionOutput",
            "LatentsOutput",
            "LoRALoaderOutput",
            "ModelLoaderOutput",
            "NoiseOutput",
            "UNetOutput",
            "VAEOutput",
        ),
        "invokeai.app.invocations.model_outputs",
    ),
}
"""Name to the module that has it."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


__all__ = [
    "AsyncInvocationContext",
    "BaseInvocation",
    "BaseInvocationOutput",
    "BaseModelType",
    "BoardField",
    "BooleanCollectionOutput",
    "BooleanOutput",
    "BoundingBoxCollectionOutput",
    "BoundingBoxField",
    "BoundingBoxOutput",
    "CLIPField",
    "CallKey",
    "Classification",
    "ColorCollectionOutput",
    "ColorField",
    "ColorOutput",
    "ConditioningField",
    "DenoiseMaskField",
    "FieldDescriptions",
    "FieldKind",
    "FieldValue",
    "FloatCollectionOutput",
    "FloatOutput",
    "FluxConditioningField",
    "FreeUConfig",
    "ImageCategory",
    "ImageCollectionOutput",
    "ImageField",
    "ImageOutput",
    "ImageRequest",
    "Input",
    "InputField",
    "IntegerCollectionOutput",
    "IntegerOutput",
    "InvalidInput",
    "InvocationContext",
    "InvocationRegistry",
    "LatentsField",
    "LoRAField",
    "MaskOutput",
    "MetadataField",
    "ModelIdentifierField",
    "ModelType",
    "NotAvailableHere",
    "OutputField",
    "PictureWork",
    "ResourceOrigin",
    "SD3ConditioningField",
    "StringCollectionOutput",
    "StringOutput",
    "StylePresetField",
    "SubModelType",
    "SystemPromptField",
    "TensorField",
    "UIComponent",
    "UIType",
    "UNetField",
    "VAEField",
    "VideoField",
    "VideoOutput",
    "WithBoard",
    "WithMetadata",
    "WithWorkflow",
    "cost_text",
    "invocation",
    "invocation_output",
    "make_pictures",
    "request_on",
    "see_through",
]
