"""Prompts with choices, `a {red|blue} ball`, expanded into plain ones. The parser is imported at the first use."""

from collections.abc import Iterable

MOST_PROMPTS = 10_000


class WrongPromptSyntax(ValueError):
    """The parser's own sentence about what it did not expect, and where."""


def expand(prompt: str, max_prompts: int, *, combinatorial: bool, seed: int | None = None) -> list[str]:
    """The prompts that `prompt` stands for.

    Args:
        max_prompts: at most so many (combinatorial), or exactly so many (random); kept within 1 to 10 000.
        combinatorial: every combination in order, else random ones; `seed` repeats the latter.

    Raises:
        WrongPromptSyntax: braces or wildcards that do not parse.
    """
    from dynamicprompts.generators import CombinatorialPromptGenerator, RandomPromptGenerator
    from pyparsing import ParseBaseException

    count = min(max(1, max_prompts), MOST_PROMPTS)
    found: Iterable[object]
    try:
        if combinatorial:
            found = CombinatorialPromptGenerator().generate(prompt, max_prompts=count)
        else:
            found = RandomPromptGenerator(seed=seed).generate(prompt, num_images=count)
    except ParseBaseException as error:
        raise WrongPromptSyntax(str(error)) from None
    return [str(text) for text in found] or [prompt]
