"""Expansion of dynamic prompts for the UI. It never blocks the event loop and its answer has a limited size."""

import asyncio

from invokeai.app.services.shared.errors import InvalidInput

MAX_PROMPT_LENGTH = 50_000
MAX_ANSWER_LENGTH = 10_000_000
MAX_SECONDS = 10
THREADS = 2


class PromptExpansion:
    """Expands prompts in at most two threads at a time."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(THREADS)

    async def expand(
        self, prompt: str, max_prompts: int, combinatorial: bool, seed: int | None
    ) -> tuple[list[str], str | None]:
        """The prompts, or the prompt itself and a sentence on what is wrong with its syntax.

        Raises:
            InvalidInput: the prompt is too long to be expanded.
        """
        if len(prompt) > MAX_PROMPT_LENGTH:
            raise InvalidInput(
                f"A dynamic prompt may have {MAX_PROMPT_LENGTH:,} characters, this one has {len(prompt):,}."
            )
        async with self._free:
            work = asyncio.to_thread(_expand, prompt, max_prompts, combinatorial, seed)
            try:
                return await asyncio.wait_for(work, MAX_SECONDS)
            except TimeoutError:
                return [prompt], "The prompt has too many combinations to be expanded in time."


def _expand(prompt: str, max_prompts: int, combinatorial: bool, seed: int | None) -> tuple[list[str], str | None]:
    from invokeai.backend.dynamic_prompts import WrongPromptSyntax, expand

    try:
        prompts = expand(prompt, max_prompts, combinatorial=combinatorial, seed=seed)
    except WrongPromptSyntax as error:
        return [prompt], str(error)
    except RecursionError:
        return [prompt], "The prompt nests too deeply."
    if sum(map(len, prompts)) > MAX_ANSWER_LENGTH:
        return [prompt], "The expanded prompts are too long together; ask for fewer."
    return prompts, None
