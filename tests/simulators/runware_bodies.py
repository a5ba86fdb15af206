"""What Runware's tasks may hold, model by model: each schema forbids what it does not declare."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from tests.simulators.simulator import Strict

Prompt = Annotated[str, Field(min_length=2, max_length=3000)]
BANANA_1K = tuple(
    size
    for w, h in ((1024, 1024), (848, 1264), (896, 1200), (928, 1152), (768, 1376), (672, 1584))
    for size in ((w, h), (h, w))
)
Seed = Annotated[int, Field(ge=0, lt=2**63)]


def side(least: int, most: int, step: int = 1) -> Any:
    """Pixels of a side."""
    return Annotated[int, Field(ge=least, le=most, multiple_of=step)]


class Job(Strict):
    """What every task that makes a picture has."""

    taskType: str
    taskUUID: str
    model: str
    outputType: Literal["URL", "base64Data", "dataURI"] = "URL"
    outputFormat: Literal["JPG", "PNG", "WEBP"] = "JPG"
    deliveryMethod: Literal["sync", "async"] = "sync"
    includeCost: bool = False


class Task(Job):
    """A picture of words."""

    taskType: Literal["imageInference"]
    positivePrompt: Prompt
    width: side(128, 2048, 64)  # type: ignore[valid-type]
    height: side(128, 2048, 64)  # type: ignore[valid-type]
    numberResults: Annotated[int, Field(ge=1, le=20)] = 1


def references(most: int) -> type[Strict]:
    """The inputs of a model that takes after so many pictures."""

    class References(Strict):
        referenceImages: Annotated[list[str], Field(min_length=1, max_length=most)]

    return References


class SeedPictures(Strict):
    seedImage: str
    maskImage: str | None = None


class Edges(Strict):
    """How far a picture grows; at least one side."""

    top: side(0, 2048, 64) = 0  # type: ignore[valid-type]
    right: side(0, 2048, 64) = 0  # type: ignore[valid-type]
    bottom: side(0, 2048, 64) = 0  # type: ignore[valid-type]
    left: side(0, 2048, 64) = 0  # type: ignore[valid-type]


class WordsTask(Task):
    """HiDream: words only."""

    negativePrompt: Prompt | None = None
    seed: Seed | None = None
    steps: Annotated[int, Field(ge=1, le=50)] = 16
    CFGScale: Annotated[float, Field(ge=0, le=30)] = 1.0


class FluxTask(WordsTask):
    """FLUX.1 and its family, and the community's checkpoints."""

    steps: Annotated[int, Field(ge=1, le=100)] = 28
    strength: Annotated[float, Field(ge=0, le=1)] | None = None
    outpaint: Edges | None = None
    inputs: SeedPictures | None = None


class FillTask(WordsTask):
    """FLUX.1 Fill: a mask, or edges that grow."""

    outpaint: Edges | None = None
    inputs: SeedPictures


class KontextTask(WordsTask):
    """FLUX.1 Kontext: at least one picture."""

    inputs: references(2)  # type: ignore[valid-type]


class QwenEditPlusTask(WordsTask):
    """Qwen-Image Edit Plus: at least one picture."""

    inputs: references(3)  # type: ignore[valid-type]


class Flux2Task(WordsTask):
    """FLUX.2 klein."""

    width: side(128, 2048, 16)  # type: ignore[valid-type]
    height: side(128, 2048, 16)  # type: ignore[valid-type]
    CFGScale: Annotated[float, Field(ge=1, le=20)] = 3.5
    acceleration: Literal["none", "low", "medium", "high"] = "high"
    inputs: references(4) | None = None  # type: ignore[valid-type]


class Flux2DevTask(Flux2Task):
    width: side(512, 2048, 16)  # type: ignore[valid-type]
    height: side(512, 2048, 16)  # type: ignore[valid-type]


class Flux3Task(Task):
    """FLUX.3 Image Klein."""

    width: side(512, 4096, 64)  # type: ignore[valid-type]
    height: side(512, 4096, 64)  # type: ignore[valid-type]
    inputs: references(4) | None = None  # type: ignore[valid-type]


class Tolerance(Strict):
    safetyTolerance: Annotated[int, Field(ge=0, le=5)] = 2


class Flux2ProTask(Task):
    width: side(256, 2048, 16)  # type: ignore[valid-type]
    height: side(256, 2048, 16)  # type: ignore[valid-type]
    seed: Seed | None = None
    settings: Tolerance | None = None
    inputs: references(9) | None = None  # type: ignore[valid-type]


class Flux2FlexTask(Flux2ProTask):
    steps: Annotated[int, Field(ge=1, le=50)] = 28
    CFGScale: Annotated[float, Field(ge=1.5, le=5)] = 2.5
    inputs: references(10) | None = None  # type: ignore[valid-type]


class Flux2MaxTask(Flux2ProTask):
    inputs: references(8) | None = None  # type: ignore[valid-type]


class BananaTask(Task):
    """Nano Banana."""

    width: side(384, 6144)  # type: ignore[valid-type]
    height: side(384, 6144)  # type: ignore[valid-type]
    seed: Seed | None = None
    inputs: references(14) | None = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def has_a_size_of_its_own(self) -> Self:
        if (self.width, self.height) not in {(w * k // 2, h * k // 2) for w, h in BANANA_1K for k in (1, 2, 4, 8)}:
            raise ValueError("width and height are none of the supported pairs")
        return self


class GptSettings(Strict):
    quality: Literal["auto", "high", "medium", "low"] = "auto"


class GptTask(Task):
    """GPT Image: no seed, no negative prompt."""

    width: side(16, 3840, 16)  # type: ignore[valid-type]
    height: side(16, 3840, 16)  # type: ignore[valid-type]
    settings: GptSettings | None = None
    inputs: references(16) | None = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def is_not_too_long(self) -> Self:
        if max(self.width, self.height) > 3 * min(self.width, self.height):
            raise ValueError("the aspect ratio lies between 1:3 and 3:1")
        return self


class SeedreamProTask(Task):
    width: side(256, 16383)  # type: ignore[valid-type]
    height: side(256, 16383)  # type: ignore[valid-type]
    inputs: references(10) | None = None  # type: ignore[valid-type]


class SeedreamLiteTask(SeedreamProTask):
    inputs: references(14) | None = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def has_pixels_enough(self) -> Self:
        if not 2560 * 1440 <= self.width * self.height <= 4096 * 4096:
            raise ValueError("the picture has from 2560×1440 to 4096×4096 pixels")
        return self


class SeedreamTask(SeedreamLiteTask):
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None


class UnlistedTask(Task):
    """A model that this simulator knows nothing of but that it is there."""

    width: side(16, 4096)  # type: ignore[valid-type]
    height: side(16, 4096)  # type: ignore[valid-type]
    inputs: references(16) | None = None  # type: ignore[valid-type]


class Picture(Strict):
    image: str


class UpscaleTask(Job):
    taskType: Literal["upscale"]
    upscaleFactor: Literal[2, 3, 4]
    inputs: Picture


class EsrganTask(UpscaleTask):
    upscaleFactor: Literal[2, 4]


class RemoveBackgroundTask(Job):
    taskType: Literal["removeBackground"]
    outputFormat: Literal["PNG", "WEBP"] = "PNG"
    inputs: Picture


MODELS: dict[str, tuple[type[Job], str]] = {
    "rundiffusion:130@100": (FluxTask, "0.005"),
    "rundiffusion:110@101": (FluxTask, "0.0017"),
    "runware:101@1": (FluxTask, "0.0038"),
    "runware:100@1": (FluxTask, "0.0013"),
    "runware:102@1": (FillTask, "0.005"),
    "runware:108@1": (FluxTask, "0.0058"),
    "runware:z-image@turbo": (FluxTask, "0.0032"),
    "runware:97@1": (WordsTask, "0.009"),
    "runware:97@2": (WordsTask, "0.0045"),
    "runware:97@3": (WordsTask, "0.0028"),
    "runware:106@1": (KontextTask, "0.0105"),
    "runware:108@22": (QwenEditPlusTask, "0.0058"),
    "runware:400@1": (Flux2DevTask, "0.0096"),
    "runware:400@2": (Flux2Task, "0.0018"),
    "runware:400@4": (Flux2Task, "0.0009"),
    "bfl:flux@3-image-klein": (Flux3Task, "0.006"),
    "bfl:5@1": (Flux2ProTask, "0.03"),
    "bfl:6@1": (Flux2FlexTask, "0.06"),
    "bfl:7@1": (Flux2MaxTask, "0.07"),
    "google:4@2": (BananaTask, "0.138"),
    "google:4@3": (BananaTask, "0.069"),
    "openai:gpt-image@2": (GptTask, "0.053"),
    "openai:gpt-image@2.5-flare": (GptTask, "0.013"),
    "openai:gpt-image@2.5-sunburst": (GptTask, "0.026"),
    "bytedance:seedream@4.5": (SeedreamTask, "0.01"),
    "bytedance:seedream@5.0-lite": (SeedreamLiteTask, "0.008"),
    "bytedance:seedream@5.0-pro": (SeedreamProTask, "0.012"),
    "civitai:101055@128078": (FluxTask, "0.0019"),
    "acme:next@1": (UnlistedTask, "0.004"),
    "runware:500@1": (UpscaleTask, "0.0012"),
    "runware:504@1": (EsrganTask, "0.0004"),
    "runware:109@1": (RemoveBackgroundTask, "0.0006"),
    "runware:112@1": (RemoveBackgroundTask, "0.0006"),
    "bria:2@1": (RemoveBackgroundTask, "0.018"),
}
"""Each model's fields, and what it costs for each 1024² pixels; invented where the price list is not known."""
