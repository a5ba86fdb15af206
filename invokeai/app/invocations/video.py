"""Video nodes. Workflows with them load and can be edited; here they refuse to run, for no video is kept."""

from typing import Literal

from invokeai.app.invocations.baseinvocation import Classification
from invokeai.invocation_api import (
    BaseInvocation,
    BaseInvocationOutput,
    ImageOutput,
    InputField,
    InvocationContext,
    NotAvailableHere,
    OutputField,
    UIComponent,
    VideoField,
    VideoOutput,
    WithBoard,
    WithMetadata,
    invocation,
    invocation_output,
)

NO_VIDEO = "Video is not available on this server."


@invocation(
    "video_frame_extract",
    "Frame from Video",
    ["video", "image", "frame"],
    "image",
    "1.1.0",
    classification=Classification.Prototype,
)
class VideoFrameExtractInvocation(BaseInvocation, WithMetadata, WithBoard):
    """One frame of a video."""

    video: VideoField = InputField(description="The video.")
    frame_index: int = InputField(
        default=-1, description="Which frame; negative from the end.", ui_component=UIComponent.VideoFrameIndex
    )

    def invoke(self, context: InvocationContext) -> ImageOutput:
        """Always raises NotAvailableHere."""
        raise NotAvailableHere(NO_VIDEO)


@invocation_output("extract_video_range_output")
class ExtractVideoRangeOutput(BaseInvocationOutput):
    """A part of a video."""

    video: VideoField = OutputField(description="The part.")
    width: int = OutputField(description="Width in pixels.")
    height: int = OutputField(description="Height in pixels.")
    num_frames: int = OutputField(description="Number of frames.")
    fps: float = OutputField(description="Frames per second.")
    duration: float = OutputField(description="Length in seconds.")
    start_frame: int = OutputField(description="First frame within the source.")
    end_frame: int = OutputField(description="Last frame within the source.")


@invocation(
    "extract_video_range",
    "Frame Range from Video",
    ["video", "trim", "range", "frames"],
    "video",
    "1.1.0",
    classification=Classification.Prototype,
)
class ExtractVideoRangeInvocation(BaseInvocation, WithMetadata, WithBoard):
    """A part of a video."""

    video: VideoField = InputField(description="The video.")
    start_frame: int = InputField(
        default=0, description="First frame; negative from the end.", ui_component=UIComponent.VideoFrameIndex
    )
    end_frame: int = InputField(
        default=-1, description="Last frame; negative from the end.", ui_component=UIComponent.VideoFrameIndex
    )
    fps: int = InputField(default=0, ge=0, le=120, description="Frames per second; 0 keeps the source's.")

    def invoke(self, context: InvocationContext) -> ExtractVideoRangeOutput:
        """Always raises NotAvailableHere."""
        raise NotAvailableHere(NO_VIDEO)


@invocation(
    "video_concat",
    "Concatenate Videos",
    ["video", "concat", "transition"],
    "video",
    "1.0.0",
    classification=Classification.Prototype,
)
class VideoConcatInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Videos one after the other."""

    videos: list[VideoField] = InputField(min_length=2, description="The videos.")
    transition: Literal["cut", "crossfade", "fade_through_black"] = InputField(
        default="cut", description="How one goes over into the next."
    )
    transition_frames: int = InputField(default=8, ge=0, le=240, description="Length of a transition in frames.")
    fps: int | None = InputField(default=None, ge=1, le=120, description="Frames per second; empty keeps the source's.")

    def invoke(self, context: InvocationContext) -> VideoOutput:
        """Always raises NotAvailableHere."""
        raise NotAvailableHere(NO_VIDEO)
