"""Small nodes for tests of graphs, queue and processor."""

from invokeai.app.invocations.baseinvocation import BaseInvocation, invocation
from invokeai.app.invocations.fields import InputField
from invokeai.app.invocations.primitives import (
    BooleanOutput,
    IntegerCollectionOutput,
    IntegerOutput,
    StringOutput,
)
from invokeai.app.services.shared.invocation_context import AsyncInvocationContext, InvocationContext

INVOKED: list[str] = []
"""Types of the nodes below in the order in which they ran."""


@invocation("test_add", version="1.0.0")
class AddForTest(BaseInvocation):
    """a + b."""

    a: int = InputField(default=0)
    b: int = InputField(default=0)

    def invoke(self, context: InvocationContext) -> IntegerOutput:
        INVOKED.append(f"{self.get_type()} {self.a}+{self.b}")
        return IntegerOutput(value=self.a + self.b)


@invocation("test_range", version="1.0.0")
class RangeForTest(BaseInvocation):
    """0 to size - 1."""

    size: int = InputField(default=3)

    def invoke(self, context: InvocationContext) -> IntegerCollectionOutput:
        return IntegerCollectionOutput(collection=list(range(self.size)))


@invocation("test_text", version="1.0.0")
class TextForTest(BaseInvocation):
    """A text."""

    value: str = InputField(default="")

    def invoke(self, context: InvocationContext) -> StringOutput:
        INVOKED.append(f"{self.get_type()} {self.value}")
        return StringOutput(value=self.value)


@invocation("test_less", version="1.0.0")
class LessForTest(BaseInvocation):
    """a < b."""

    a: int = InputField(default=0)
    b: int = InputField(default=0)

    def invoke(self, context: InvocationContext) -> BooleanOutput:
        return BooleanOutput(value=self.a < self.b)


@invocation("test_required", version="1.0.0")
class RequiredForTest(BaseInvocation):
    """Needs a number."""

    number: int = InputField()

    def invoke(self, context: InvocationContext) -> IntegerOutput:
        return IntegerOutput(value=self.number)


@invocation("test_fail", version="1.0.0")
class FailForTest(BaseInvocation):
    """Raises."""

    text: str = InputField(default="broken")

    def invoke(self, context: InvocationContext) -> IntegerOutput:
        raise RuntimeError(self.text)


@invocation("test_wait", version="1.0.0", use_cache=False)
class WaitForTest(BaseInvocation):
    """Waits on the loop."""

    seconds: float = InputField(default=0.0)
    value: int = InputField(default=0)

    async def invoke(self, context: AsyncInvocationContext) -> IntegerOutput:
        import asyncio

        await asyncio.sleep(self.seconds)
        INVOKED.append(f"{self.get_type()} {self.value}")
        return IntegerOutput(value=self.value)


@invocation("test_picture", version="1.0.0", use_cache=False)
class PictureForTest(BaseInvocation):
    """Saves a small picture."""

    shade: int = InputField(default=0)

    def invoke(self, context: InvocationContext) -> StringOutput:
        from PIL import Image

        context.util.signal_progress("Saving image")
        dto = context.images.save(Image.new("RGB", (8, 8), (self.shade % 256, 0, 0)))
        return StringOutput(value=dto.image_name)
