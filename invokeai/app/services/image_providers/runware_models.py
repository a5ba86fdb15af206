"""Runware's models as of November 2026: what each takes, its sizes, and prices that an estimate does not understate.

Prices are the upper end of what was seen at Runware; where none was, the vendor's own list. Runware reports the cost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from invokeai.app.services.image_providers import gemini_models, seedream_models
from invokeai.app.services.image_providers.capabilities import (
    ExternalApiModelDefaultSettings,
    ExternalImageSize,
    ExternalModelCapabilities,
    ExternalModelPanelControl,
    ExternalModelPanelSchema,
    ExternalResolutionPreset,
    GenerationMode,
    PictureMode,
)
from invokeai.app.services.image_providers.image_model import DEFAULT_SETTINGS, ImageModel, PictureWork

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.generation import ImageRequest

MAX_IMAGES = 4
MEGAPIXEL = 1024 * 1024
USUAL_STEPS = 20
"""What a price is taken to be for, where the model's own number is not known."""
Prices: TypeAlias = tuple[tuple[int, str], ...]


@dataclass(frozen=True, kw_only=True)
class RunwareModelConfig(ImageModel):
    """A model with what it is sent when the user says nothing. Sides are multiples of `side_step` pixels.

    `prices`: pixels and US dollars a picture of at most so many, smallest first; beyond the last they grow with the
    pixels. Runware bills computing time, so they are an estimate only. `reference_price`: of each picture given.
    `qualities`: the words for it with the factor on the price, the first is sent where none was asked for. `pictures`:
    what an initial image is to it: one that it paints over, or the first of its references. `pixels`: the least and the
    most in all. `named_sizes`: the only ones. `outpaints`: takes the widths of new edges. `tolerance`:
    moderates by degrees.
    """

    steps: int | None = None
    guidance: float | None = None
    max_steps: int = 50
    guidance_range: tuple[float, float] = (0.0, 20.0)
    max_seed: int = 2**63 - 1
    side_step: int = 64
    longest_ratio: float | None = None
    pixels: tuple[int, int] | None = None
    named_sizes: tuple[tuple[int, int], ...] = ()
    pictures: Literal["none", "seed", "references"] = "none"
    outpaints: bool = False
    acceleration: str | None = None
    qualities: tuple[tuple[str, str], ...] = ()
    tolerance: bool = False
    prices: Prices
    reference_price: str = "0"

    def price(self, request: ImageRequest) -> str:
        """What the request costs at most, as far as prices are known."""
        pixels = request.width * request.height
        largest, dearest = self.prices[-1]
        known = next((price for most, price in self.prices if pixels <= most), None)
        price = Decimal(known) if known else Decimal(dearest) * pixels / largest
        if request.steps:
            price *= max(Decimal(1), Decimal(request.steps) / (self.steps or USUAL_STEPS))
        if self.qualities:
            factors = dict(self.qualities)
            price *= Decimal(factors.get(str(request.options.get("quality")), self.qualities[0][1]))
        if self.work is None:
            price += Decimal(self.reference_price) * len(request.input_pictures)
        return format((price * request.num_images).quantize(Decimal("0.000001")).normalize(), "f")


def _capabilities(modes: list[GenerationMode], **members: Any) -> ExternalModelCapabilities:
    most, editor = members.pop("max_side"), members.pop("editor")
    return ExternalModelCapabilities(
        modes=[*modes],
        max_images_per_request=MAX_IMAGES,
        max_image_size=ExternalImageSize(width=most, height=most),
        mask_format="binary" if "inpaint" in modes else "none",
        input_image_required_for=[mode for mode in modes if editor or mode != "txt2img"] or None,
        **members,
    )


def _model(
    model_id: str,
    name: str,
    description: str,
    modes: list[GenerationMode],
    *,
    references: int = 0,
    max_side: int = 2048,
    seed: bool = True,
    tuned: bool = True,
    negative: bool = True,
    presets: list[ExternalResolutionPreset] | None = None,
    editor: bool = False,
    **values: Any,
) -> RunwareModelConfig:
    """`editor`: it makes nothing of words alone."""
    usual = presets[0] if presets else None
    settings = ExternalApiModelDefaultSettings(width=usual.width, height=usual.height, num_images=1) if usual else None
    pictures = "references" if references else "seed" if len(modes) > 1 or modes != ["txt2img"] else "none"
    values.setdefault("supports_strength", pictures == "seed")
    return RunwareModelConfig(
        model_id=model_id,
        name=name,
        description=description,
        capabilities=_capabilities(
            modes,
            supports_reference_images=references > 0,
            max_reference_images=references or None,
            supports_negative_prompt=negative,
            supports_seed=seed,
            supports_guidance=tuned,
            supports_steps=tuned,
            max_side=max_side,
            editor=editor,
            resolution_presets=presets,
        ),
        default_settings=settings or DEFAULT_SETTINGS,
        panel_schema=ExternalModelPanelSchema(
            prompts=[ExternalModelPanelControl(name="reference_images")] if references else [],
            image=[
                ExternalModelPanelControl(name=part) for part in (("dimensions", "seed") if seed else ("dimensions",))
            ],
        ),
        named_sizes=tuple((preset.width, preset.height) for preset in presets or ()),
        **{"min_side": 128, "pictures": pictures, **values},
    )


def _painter(model_id: str, name: str, description: str, price: str, **values: Any) -> RunwareModelConfig:
    """FLUX.1 and all that takes pictures as it does: to paint over, under a mask, and beyond their edges."""
    return _model(
        model_id, name, description, ["txt2img", "img2img", "inpaint"], outpaints=True, prices=((MEGAPIXEL, price),),
        **values,
    )  # fmt: skip


def _flux_2(model_id: str, name: str, description: str, first: str, more: str, **values: Any) -> RunwareModelConfig:
    """FLUX.2: `first` is the price of a megapixel, `more` of the picture's further ones and of each picture given."""
    four = str(Decimal(first) + 3 * Decimal(more))
    return _model(
        model_id, name, description, ["txt2img", "img2img"], side_step=16,
        prices=((MEGAPIXEL, first), (4 * MEGAPIXEL, four)), reference_price=more, **values,
    )  # fmt: skip


def _banana(model_id: str, name: str, description: str, words: tuple[str, ...], prices: Prices) -> RunwareModelConfig:
    presets = [
        _preset(ratio, word, int(width * factor), int(height * factor))
        for word, factor in ((word, float(word[:-1])) for word in words)
        for ratio, (width, height) in ((ratio, gemini_models.PIXELS[ratio]) for ratio in gemini_models.TEN_RATIOS)
    ]
    return _model(
        model_id, name, description, ["txt2img", "img2img"], references=14, presets=presets, max_side=6336,
        tuned=False, negative=False, prices=prices, reference_price="0.002",
    )  # fmt: skip


def _seedream(
    model_id: str, name: str, description: str, words: tuple[str, ...], pixels: tuple[int, int], price: str,
    references: int, **values: Any,
) -> RunwareModelConfig:  # fmt: skip
    presets = [
        _preset(ratio, word, *size)
        for word in words
        for ratio, size in zip(seedream_models.RATIOS, seedream_models.SIZES[word], strict=True)
        if size[0] * size[1] <= pixels[1]
    ]
    model = _model(
        model_id, name, description, ["txt2img", "img2img"], references=references, presets=presets, max_side=16383,
        tuned=False, negative=False, min_side=256, side_step=1, pixels=pixels, prices=((pixels[1], price),),
        reference_price="0.003", **values,
    )  # fmt: skip
    return replace(model, named_sizes=())


def _gpt_image(model_id: str, name: str, description: str) -> RunwareModelConfig:
    """The prices of a picture of medium quality; `settings.quality` is always sent, as `auto` may choose a dear one."""
    return _model(
        model_id, name, description, ["txt2img", "img2img"], references=16, max_side=3840, seed=False, tuned=False,
        negative=False, min_side=16, side_step=16, longest_ratio=3.0, qualities=_QUALITIES,
        prices=((MEGAPIXEL, "0.053"),), reference_price="0.01",
    )  # fmt: skip


def _preset(ratio: str, word: str, width: int, height: int) -> ExternalResolutionPreset:
    return ExternalResolutionPreset(
        label=f"{ratio} ({word}, {width}×{height})", aspect_ratio=ratio, image_size=word, width=width, height=height
    )


def _worker(
    model_id: str, name: str, description: str, mode: PictureMode, price: str, work: PictureWork
) -> RunwareModelConfig:  # fmt: skip
    """Of one picture it makes one; `price` is that of 4 megapixels made."""
    able = ExternalModelCapabilities(modes=[mode], supports_negative_prompt=False, max_images_per_request=1)
    return RunwareModelConfig(
        model_id=model_id, name=name, description=description, capabilities=able, work=work,
        prices=((4 * MEGAPIXEL, price),),
    )  # fmt: skip


_QUALITIES = (("medium", "1"), ("low", "0.12"), ("high", "4"), ("auto", "4"))
_CUT_OUT = PictureWork(max_side=2048)
_KLEIN: dict[str, Any] = {"references": 4, "steps": 4, "guidance": 3.5, "guidance_range": (1.0, 20.0)}
MODELS: tuple[RunwareModelConfig, ...] = (
    _painter(
        "rundiffusion:130@100", "Juggernaut Pro Flux", "Photographs, the finest of its family.", "0.038",
        steps=33, guidance=3.0,
    ),
    _painter(
        "rundiffusion:110@101", "Juggernaut Lightning Flux", "Photographs in a few steps.", "0.0017",
        steps=6, guidance=3.0,
    ),
    _painter(
        "runware:101@1", "FLUX.1 dev (Runware)", "An all-rounder.", "0.0038", steps=28, guidance=3.5, max_steps=100
    ),
    _painter("runware:100@1", "FLUX.1 schnell (Runware)", "Drafts in four steps.", "0.0038", steps=4, guidance=1.0),
    _model(
        "runware:102@1", "FLUX.1 Fill dev (Runware)", "Makes a masked part anew, or grows the edges.", ["inpaint"],
        outpaints=True, supports_strength=False, prices=((MEGAPIXEL, "0.035"),),
    ),
    _model(
        "runware:106@1", "FLUX.1 Kontext dev (Runware)", "Edits by words, with up to two pictures.",
        ["txt2img", "img2img"], editor=True, references=2, prices=((MEGAPIXEL, "0.025"),),
    ),
    _model("runware:97@1", "HiDream I1 Full", "From words only; the finest.", ["txt2img"], steps=30,
           prices=((MEGAPIXEL, "0.05"),)),
    _model("runware:97@2", "HiDream I1 Dev", "From words only.", ["txt2img"], steps=28, guidance=1.0,
           prices=((MEGAPIXEL, "0.03"),)),
    _model("runware:97@3", "HiDream I1 Fast", "From words only; it takes no pictures.", ["txt2img"], steps=16,
           guidance=1.0, prices=((MEGAPIXEL, "0.01"),)),
    _painter("runware:108@1", "Qwen-Image (Runware)", "Good at text in pictures.", "0.02"),
    _model(
        "runware:108@22", "Qwen-Image Edit Plus (Runware)", "Edits by words, with up to three pictures.",
        ["txt2img", "img2img"], editor=True, references=3, prices=((MEGAPIXEL, "0.03"),),
    ),
    _painter("runware:z-image@turbo", "Z-Image Turbo (Runware)", "Small and fast.", "0.005", steps=8),
    _flux_2(
        "runware:400@1", "FLUX.2 dev (Runware)", "Draws and edits with up to four pictures.", "0.012", "0.012",
        references=4, min_side=512, guidance=4.0, guidance_range=(1.0, 20.0), acceleration="none",
    ),
    _flux_2(
        "runware:400@2", "FLUX.2 klein 9B (Runware)", "Fast, a little finer.", "0.015", "0.002", acceleration="none",
        **_KLEIN,
    ),
    _flux_2(
        "runware:400@4", "FLUX.2 klein 4B (Runware)", "Fast, edits by up to four reference pictures.", "0.014", "0.001",
        acceleration="none", **_KLEIN,
    ),
    _flux_2(
        "bfl:5@1", "FLUX.2 pro (Runware)", "Draws and edits with up to nine pictures.", "0.03", "0.015", references=9,
        min_side=256, tuned=False, negative=False, tolerance=True,
    ),
    _flux_2(
        "bfl:6@1", "FLUX.2 flex (Runware)", "With steps and guidance.", "0.06", "0.06", references=10, min_side=256,
        negative=False, guidance=2.5, guidance_range=(1.5, 5.0), tolerance=True,
    ),
    _flux_2(
        "bfl:7@1", "FLUX.2 max (Runware)", "The finest of its family.", "0.07", "0.03", references=8, min_side=256,
        tuned=False, negative=False, tolerance=True,
    ),
    _model(
        "bfl:flux@3-image-klein", "FLUX.3 Image Klein", "New and cheap, up to 4096 pixels a side.",
        ["txt2img", "img2img"], references=4, max_side=4096, seed=False, tuned=False, negative=False, min_side=512,
        prices=((512 * 512, "0.003"), (MEGAPIXEL, "0.006"), (4 * MEGAPIXEL, "0.0179"), (16 * MEGAPIXEL, "0.101")),
    ),
    _banana(
        "google:4@2", "Nano Banana Pro (Runware)", "The finest of the family; up to 4K.", ("1K", "2K", "4K"),
        ((4_600_000, "0.14"), (18_400_000, "0.24")),
    ),
    _banana(
        "google:4@3", "Nano Banana 2 (Runware)", "Makes and edits pictures as told; up to 4K.",
        ("1K", "2K", "4K", "0.5K"),
        ((300_000, "0.045"), (1_150_000, "0.07"), (4_600_000, "0.105"), (18_400_000, "0.155")),
    ),
    _gpt_image("openai:gpt-image@2.5-flare", "GPT Image 2.5 Flare (Runware)", "Fast; any size up to 4K."),
    _gpt_image("openai:gpt-image@2.5-sunburst", "GPT Image 2.5 Sunburst (Runware)", "Finer and dearer; any size."),
    _gpt_image("openai:gpt-image@2", "GPT Image 2 (Runware)", "The one before; any size."),
    _seedream(
        "bytedance:seedream@4.5", "Seedream 4.5 (Runware)", "Up to 4K; keeps to its pictures.", ("2K", "4K"),
        (seedream_models.TWO_K, seedream_models.FOUR_K), "0.04", 14, max_seed=2**31 - 1,
    ),
    _seedream(
        "bytedance:seedream@5.0-lite", "Seedream 5.0 Lite (Runware)", "Quick, up to 3K.", ("2K", "3K"),
        (seedream_models.TWO_K, seedream_models.THREE_K), "0.035", 14, seed=False,
    ),
    _seedream(
        "bytedance:seedream@5.0-pro", "Seedream 5.0 Pro (Runware)", "The finest and the slowest.", ("1K",),
        (seedream_models.ONE_K, 2048 * 2048), "0.09", 10, seed=False,
    ),
    _worker(
        "runware:500@1", "Clarity Upscaler (Runware)", "Enlarges and invents detail.", "upscale", "0.007",
        PictureWork(scales=(2, 3, 4), usual_scale=2, max_pixels=1_153_433),
    ),
    _worker(
        "runware:504@1", "Real-ESRGAN (Runware)", "Enlarges and keeps to the picture.", "upscale", "0.007",
        PictureWork(scales=(2, 4), usual_scale=2),
    ),
    _worker("runware:109@1", "RemBG (Runware)", "Removes the background.", "remove_background", "0.01", _CUT_OUT),
    _worker(
        "runware:112@1", "BiRefNet (Runware)", "Removes the background; fine edges.", "remove_background", "0.01",
        _CUT_OUT,
    ),
    _worker("bria:2@1", "Bria RMBG 2.0 (Runware)", "Removes the background.", "remove_background", "0.018", _CUT_OUT),
)  # fmt: skip
DEAREST = "0.25"
"""What caps hold for 4 megapixels of a model that is not listed: more than any listed model's."""
_AIR = re.compile(r"[\w.-]+:[\w./-]+@[\w./-]+", re.ASCII)


def model_like(model_id: str) -> RunwareModelConfig | None:
    """A model that is not listed, by its AIR id: it is sent what was asked for, and Runware says what it does not take.

    Checkpoints of Civitai (SD, SDXL and their kin) are painters with known limits.
    """
    if not _AIR.fullmatch(model_id):
        return None
    words = "Not listed here; its price is what Runware reports."
    if model_id.startswith("civitai:"):
        return replace(_painter(model_id, model_id, words, DEAREST), guidance_range=(0.0, 30.0))
    model = _model(
        model_id, model_id, words, ["txt2img", "img2img", "inpaint"], max_side=4096, side_step=1, min_side=16,
        prices=((4 * MEGAPIXEL, DEAREST),), max_steps=100, guidance_range=(0.0, 50.0), supports_strength=True,
    )  # fmt: skip
    can = model.capabilities.model_copy(update={"supports_reference_images": True, "max_reference_images": 16})
    return replace(model, capabilities=can)
