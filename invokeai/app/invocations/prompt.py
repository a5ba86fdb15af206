"""Nodes that make prompts: from choices, from a file, from a template."""

import random
from pathlib import Path

from invokeai.invocation_api import (
    AsyncInvocationContext,
    BaseInvocation,
    BaseInvocationOutput,
    InputField,
    InvalidInput,
    InvocationContext,
    OutputField,
    StringCollectionOutput,
    StylePresetField,
    UIComponent,
    invocation,
    invocation_output,
)

PROMPT_FILES = (".txt", ".md", ".csv", ".prompts")
"""Only such files can be read, so that no workflow shows the server's settings or keys."""
LARGEST_FILE = 10 * 2**20
PLACEHOLDER = "{prompt}"


@invocation("dynamic_prompt", "Dynamic Prompt", ["prompt", "collection"], "prompt", "1.0.1", use_cache=False)
class DynamicPromptInvocation(BaseInvocation):
    """Expands choices in braces, as in `a {red|blue} ball`."""

    prompt: str = InputField(description="Prompt with choices.", ui_component=UIComponent.Textarea)
    max_prompts: int = InputField(default=1, description="How many prompts to make.")
    combinatorial: bool = InputField(default=False, description="All combinations in order, instead of random ones.")

    def invoke(self, context: InvocationContext) -> StringCollectionOutput:
        """The prompts; random ones repeat when the session runs again. Raises InvalidInput for wrong syntax."""
        from invokeai.backend.dynamic_prompts import WrongPromptSyntax, expand

        seed = random.Random(f"{context.session_id}:{context.node_id}").getrandbits(32)
        try:
            prompts = expand(self.prompt, self.max_prompts, combinatorial=self.combinatorial, seed=seed)
        except WrongPromptSyntax as error:
            raise InvalidInput(f"The prompt cannot be expanded: {error}.") from None
        return StringCollectionOutput(collection=prompts)


@invocation("prompt_from_file", "Prompts from File", ["prompt", "file"], "prompt", "1.0.2")
class PromptsFromFileInvocation(BaseInvocation):
    """One prompt for each line of a text file on the server."""

    file_path: str = InputField(description="Path of the file; a relative one is below the server's root.")
    pre_prompt: str | None = InputField(
        default=None, description="Text to put before each prompt.", ui_component=UIComponent.Textarea
    )
    post_prompt: str | None = InputField(
        default=None, description="Text to put after each prompt.", ui_component=UIComponent.Textarea
    )
    start_line: int = InputField(default=1, ge=1, description="First line to read, from 1.")
    max_prompts: int = InputField(default=1, ge=0, description="How many prompts to read; 0 for all.")

    def invoke(self, context: InvocationContext) -> StringCollectionOutput:
        """The prompts; empty lines are left out. Raises InvalidInput for a file that cannot be read."""
        lines = _lines_of(context.config.get().under_root(Path(self.file_path)))[self.start_line - 1 :]
        prompts = [f"{self.pre_prompt or ''}{line}{self.post_prompt or ''}" for line in lines if line.strip()]
        return StringCollectionOutput(collection=prompts[: self.max_prompts or None])


def _lines_of(path: Path) -> list[str]:
    if path.suffix.lower() not in PROMPT_FILES:
        raise InvalidInput(f"{path.name} is no prompt file; those end in {', '.join(PROMPT_FILES)}.")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InvalidInput(f"{path.name} is larger than {LARGEST_FILE} bytes.")
        return path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InvalidInput(f"{path.name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path.name} is not text in UTF-8.") from None


@invocation_output("prompt_template_output")
class PromptTemplateOutput(BaseInvocationOutput):
    """Prompts with the template applied."""

    positive_prompt: str = OutputField(description="What is wanted.")
    negative_prompt: str = OutputField(description="What is not wanted.")


@invocation("prompt_template", "Prompt Template", ["prompt", "template", "style", "preset"], "prompt", "1.0.0")
class PromptTemplateInvocation(BaseInvocation):
    """Puts prompts into a template."""

    style_preset: StylePresetField = InputField(description="The template.")
    positive_prompt: str = InputField(default="", description="What is wanted.", ui_component=UIComponent.Textarea)
    negative_prompt: str = InputField(default="", description="What is not wanted.", ui_component=UIComponent.Textarea)

    async def invoke(self, context: AsyncInvocationContext) -> PromptTemplateOutput:
        """The prompts in place of `{prompt}`, or before a template without it. Raises NotFound."""
        preset = await context.services.style_presets.get(self.style_preset.style_preset_id)
        return PromptTemplateOutput(
            positive_prompt=_applied(preset.preset_data.positive_prompt, self.positive_prompt),
            negative_prompt=_applied(preset.preset_data.negative_prompt, self.negative_prompt),
        )


def _applied(template: str, prompt: str) -> str:
    if PLACEHOLDER in template:
        return template.replace(PLACEHOLDER, prompt)
    return f"{prompt} {template}".strip()
