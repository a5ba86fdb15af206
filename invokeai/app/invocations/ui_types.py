"""The words of the node editor: how an input takes its value and which widget it has.

Names that the editor no longer knows are kept as members, so that old node packs import; they mean a model filter or
nothing.
"""

from enum import StrEnum

from invokeai.app.services.model_manager.taxonomy import BaseModelType, ModelType


class Input(StrEnum):
    """How an input takes its value: wired, typed in, or either."""

    Connection = "connection"
    Direct = "direct"
    Any = "any"


class FieldKind(StrEnum):
    """What a member of a node is: an input, an output, one with a fixed name and meaning, or not a field at all."""

    Input = "input"
    Output = "output"
    Internal = "internal"
    NodeAttribute = "node_attribute"


class UIComponent(StrEnum):
    """A widget other than the type's usual one."""

    None_ = "none"
    Textarea = "textarea"
    Slider = "slider"
    VideoFrameIndex = "video-frame-index"


class UIType(StrEnum):
    """A field type that cannot be told from the annotation. The `DEPRECATED_` ones are only there to be imported."""

    Scheduler = "SchedulerField"
    Any = "AnyField"
    SavedWorkflow = "SavedWorkflowField"
    _Collection = "CollectionField"
    _CollectionItem = "CollectionItemField"
    _IsIntermediate = "IsIntermediate"

    Boolean = "DEPRECATED_Boolean"
    Color = "DEPRECATED_Color"
    Conditioning = "DEPRECATED_Conditioning"
    Control = "DEPRECATED_Control"
    Float = "DEPRECATED_Float"
    Image = "DEPRECATED_Image"
    Integer = "DEPRECATED_Integer"
    Latents = "DEPRECATED_Latents"
    String = "DEPRECATED_String"
    BooleanCollection = "DEPRECATED_BooleanCollection"
    ColorCollection = "DEPRECATED_ColorCollection"
    ConditioningCollection = "DEPRECATED_ConditioningCollection"
    ControlCollection = "DEPRECATED_ControlCollection"
    FloatCollection = "DEPRECATED_FloatCollection"
    ImageCollection = "DEPRECATED_ImageCollection"
    IntegerCollection = "DEPRECATED_IntegerCollection"
    LatentsCollection = "DEPRECATED_LatentsCollection"
    StringCollection = "DEPRECATED_StringCollection"
    BooleanPolymorphic = "DEPRECATED_BooleanPolymorphic"
    ColorPolymorphic = "DEPRECATED_ColorPolymorphic"
    ConditioningPolymorphic = "DEPRECATED_ConditioningPolymorphic"
    ControlPolymorphic = "DEPRECATED_ControlPolymorphic"
    FloatPolymorphic = "DEPRECATED_FloatPolymorphic"
    ImagePolymorphic = "DEPRECATED_ImagePolymorphic"
    IntegerPolymorphic = "DEPRECATED_IntegerPolymorphic"
    LatentsPolymorphic = "DEPRECATED_LatentsPolymorphic"
    StringPolymorphic = "DEPRECATED_StringPolymorphic"
    UNet = "DEPRECATED_UNet"
    Vae = "DEPRECATED_Vae"
    CLIP = "DEPRECATED_CLIP"
    Collection = "DEPRECATED_Collection"
    CollectionItem = "DEPRECATED_CollectionItem"
    Enum = "DEPRECATED_Enum"
    WorkflowField = "DEPRECATED_WorkflowField"
    BoardField = "DEPRECATED_BoardField"
    MetadataItem = "DEPRECATED_MetadataItem"
    MetadataItemCollection = "DEPRECATED_MetadataItemCollection"
    MetadataItemPolymorphic = "DEPRECATED_MetadataItemPolymorphic"
    MetadataDict = "DEPRECATED_MetadataDict"
    MainModel = "DEPRECATED_MainModelField"
    CogView4MainModel = "DEPRECATED_CogView4MainModelField"
    FluxMainModel = "DEPRECATED_FluxMainModelField"
    SD3MainModel = "DEPRECATED_SD3MainModelField"
    SDXLMainModel = "DEPRECATED_SDXLMainModelField"
    SDXLRefinerModel = "DEPRECATED_SDXLRefinerModelField"
    ONNXModel = "DEPRECATED_ONNXModelField"
    VAEModel = "DEPRECATED_VAEModelField"
    FluxVAEModel = "DEPRECATED_FluxVAEModelField"
    LoRAModel = "DEPRECATED_LoRAModelField"
    ControlNetModel = "DEPRECATED_ControlNetModelField"
    IPAdapterModel = "DEPRECATED_IPAdapterModelField"
    T2IAdapterModel = "DEPRECATED_T2IAdapterModelField"
    T5EncoderModel = "DEPRECATED_T5EncoderModelField"
    CLIPEmbedModel = "DEPRECATED_CLIPEmbedModelField"
    CLIPLEmbedModel = "DEPRECATED_CLIPLEmbedModelField"
    CLIPGEmbedModel = "DEPRECATED_CLIPGEmbedModelField"
    SpandrelImageToImageModel = "DEPRECATED_SpandrelImageToImageModelField"
    ControlLoRAModel = "DEPRECATED_ControlLoRAModelField"
    SigLipModel = "DEPRECATED_SigLipModelField"
    FluxReduxModel = "DEPRECATED_FluxReduxModelField"
    LlavaOnevisionModel = "DEPRECATED_LLaVAModelField"
    Imagen3Model = "DEPRECATED_Imagen3ModelField"
    Imagen4Model = "DEPRECATED_Imagen4ModelField"
    ChatGPT4oModel = "DEPRECATED_ChatGPT4oModelField"
    Gemini2_5Model = "DEPRECATED_Gemini2_5ModelField"
    FluxKontextModel = "DEPRECATED_FluxKontextModelField"
    Veo3Model = "DEPRECATED_Veo3ModelField"
    RunwayModel = "DEPRECATED_RunwayModelField"


_B, _T = BaseModelType, ModelType
_MODEL_FILTERS: dict[UIType, tuple[BaseModelType | None, ModelType]] = {
    UIType.MainModel: (None, _T.Main),
    UIType.CogView4MainModel: (_B.CogView4, _T.Main),
    UIType.FluxMainModel: (_B.Flux, _T.Main),
    UIType.SD3MainModel: (_B.StableDiffusion3, _T.Main),
    UIType.SDXLMainModel: (_B.StableDiffusionXL, _T.Main),
    UIType.SDXLRefinerModel: (_B.StableDiffusionXLRefiner, _T.Main),
    UIType.VAEModel: (None, _T.VAE),
    UIType.FluxVAEModel: (_B.Flux, _T.VAE),
    UIType.LoRAModel: (None, _T.LoRA),
    UIType.ControlNetModel: (None, _T.ControlNet),
    UIType.IPAdapterModel: (None, _T.IPAdapter),
    UIType.T2IAdapterModel: (None, _T.T2IAdapter),
    UIType.T5EncoderModel: (None, _T.T5Encoder),
    UIType.CLIPEmbedModel: (None, _T.CLIPEmbed),
    UIType.CLIPLEmbedModel: (None, _T.CLIPEmbed),
    UIType.CLIPGEmbedModel: (None, _T.CLIPEmbed),
    UIType.SpandrelImageToImageModel: (None, _T.SpandrelImageToImage),
    UIType.ControlLoRAModel: (None, _T.ControlLoRa),
    UIType.SigLipModel: (None, _T.SigLIP),
    UIType.FluxReduxModel: (None, _T.FluxRedux),
    UIType.LlavaOnevisionModel: (None, _T.LlavaOnevision),
}


def model_filter_of(ui_type: UIType) -> tuple[BaseModelType | None, ModelType | None]:
    """Base and type of the models that an old model field let choose from; (None, None) for any other old name."""
    return _MODEL_FILTERS.get(ui_type, (None, None))
