"""Providers that take a job, name it, and are asked until it is done. What names the job is written down at once.

A job that was named is never submitted again: after a restart it is asked for, and its last answer is kept.
"""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from invokeai.app.services.image_providers.http_provider import HttpImageProvider
from invokeai.app.services.image_providers.paid_work import current_work
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    PaidPictureLate,
    ProviderAuthError,
    ProviderError,
    ProviderQuotaExhausted,
    ProviderRateLimited,
)

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.generation import ImageRequest, ImageResult
    from invokeai.app.services.image_providers.http_answer import HttpAnswer, HttpCall
    from invokeai.app.services.image_providers.image_model import ImageModel
    from invokeai.app.services.image_providers.receipts import Receipt

logger = logging.getLogger(__name__)


class JobImageProvider(HttpImageProvider):
    """As `HttpImageProvider`, with the answer to `call_for` naming a job. `result_of` reads the job's last answer."""

    first_poll_seconds: ClassVar[float] = 1.0
    longest_poll_seconds: ClassVar[float] = 8.0
    resume_seconds: ClassVar[float] = 600.0
    """How long a job that was left over is waited for."""
    finds_lost_jobs: ClassVar[bool] = False
    """Whether `look_for` can find a job whose name never came."""
    unawaited_seconds: ClassVar[float] = 15.0
    """The same for a picture that nobody waits for: others have their turn, and it is asked for again."""

    @abstractmethod
    def job_of(self, answer: HttpAnswer) -> str:
        """What the job is asked for by, from the answer to its submission: an id, or JSON with all that is needed.

        Raises:
            ProviderError: the answer names none.
        """

    @abstractmethod
    def question_for(self, job: str) -> HttpCall:
        """How the provider is asked about the job: free."""

    @abstractmethod
    def is_done(self, answer: HttpAnswer) -> bool:
        """Whether this answer is the last one, with the pictures in it.

        Raises:
            ProviderError: the job failed, or is not known.
        """

    def noted(self, job: str, request: ImageRequest, model: ImageModel, receipt: Receipt) -> str:
        """What is written down of a job that was taken: `job`, with what no later answer will tell."""
        return job

    async def generate(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> ImageResult:
        """Submit once, then ask."""
        call = await asyncio.to_thread(self.call_for, request, model, receipt)
        job = await self.submit(call, receipt, model.timeout_seconds)
        job = self.noted(job, request, model, receipt)
        await receipt.sent(job)
        with self.taken():
            return await self._finish(job, receipt, model.timeout_seconds)

    async def submit(self, call: HttpCall, receipt: Receipt, seconds: float) -> str:
        """What the job is asked for by. One whose answer was lost is looked for, twice, as it may be on its way.

        Raises:
            ProviderError: it has none; `OutcomeUnknown` when nobody can tell.
        """
        try:
            return self.job_of(await self.pay(call, receipt, seconds))
        except OutcomeUnknown:
            if not self.finds_lost_jobs:
                raise
            for pause in (self.pause_seconds, 0):
                with self.taken(certainly=False):
                    job = await self.look_for(receipt)
                if job is not None:
                    return job
                await asyncio.sleep(pause)
            raise

    async def look_for(self, receipt: Receipt) -> str | None:
        """What a job is asked for by whose name never came: free. None: it is not there, or nobody can tell.

        Raises:
            ProviderError: the provider could not be asked.
        """
        return None

    @contextmanager
    def taken(self, *, certainly: bool = True) -> Iterator[None]:
        """What is asked inside is about a job that is or may be taken: it is not submitted again, with whatever key.

        Raises:
            PaidPictureLate: the key was not accepted for the question, or nothing was answered.
        """
        try:
            yield
        except PaidPictureLate:
            if certainly:
                raise
            raise self.late("it could not be asked whether it took the call", paid=False) from None
        except (ProviderAuthError, ProviderQuotaExhausted, ProviderRateLimited):
            raise self.late("the key was not accepted when it was asked for the picture", paid=certainly) from None

    async def resume(self, receipt: Receipt) -> ImageResult | None:
        """The result from the kept answer, else from the provider; None when no job was named, and none is found."""
        try:
            result = await super().resume(receipt)
        except PaidPictureLate as late:
            result = await self._from_a_new_answer(receipt, late)
        if result is not None:
            return result
        job = receipt.provider_ref if self.has_taken(receipt) else await self.look_for(receipt)
        if job is None:
            return None
        if job != receipt.provider_ref:
            await receipt.sent(job)
        return await self._finish(job, receipt, self._patience(receipt))

    async def _from_a_new_answer(self, receipt: Receipt, late: PaidPictureLate) -> ImageResult:
        """What the job says now, as addresses die sooner than jobs are forgotten.

        Raises:
            PaidPictureLate: `late`, whatever it says instead: the address that is kept may work once more.
        """
        if receipt.provider_ref is None:
            raise late
        try:
            return await self._finish(receipt.provider_ref, receipt, self._patience(receipt))
        except ProviderError as error:
            raise late from error

    def _patience(self, receipt: Receipt) -> float:
        return self.resume_seconds if receipt.is_awaited else min(self.resume_seconds, self.unawaited_seconds)

    def withdrawal_of(self, job: str) -> HttpCall | None:
        """How the provider is told that nobody wants the job any more; None where it takes none back."""
        return None

    async def _finish(self, job: str, receipt: Receipt, seconds: float) -> ImageResult:
        try:
            with self._withdrawn_when_unwanted(job):
                async with asyncio.timeout(seconds):
                    answer = await self._last_answer(job)
        except TimeoutError:
            raise self.late(f"the picture was not done after {seconds:.0f} seconds") from None
        return await self.keep_and_read(answer, receipt)

    @contextmanager
    def _withdrawn_when_unwanted(self, job: str) -> Iterator[None]:
        """Meanwhile a cancel is passed on. Only the job's own last answer tells what came of it, and what it cost."""
        call = self.withdrawal_of(job)
        passing_on = asyncio.create_task(self._withdraw(call)) if call else None
        try:
            yield
        finally:
            if passing_on:
                passing_on.cancel()

    async def _withdraw(self, call: HttpCall) -> None:
        await current_work().unwanted.wait()
        try:
            answer = await self.ask(call)
        except ProviderError as error:
            logger.warning("%s could not be told of a cancel: %s", self.info.display_name, error)
        else:
            logger.info("%s was told of a cancel and answered with status %d", self.info.display_name, answer.status)

    async def _last_answer(self, job: str) -> HttpAnswer:
        pause = self.first_poll_seconds
        while True:
            answer = await self.ask(self.question_for(job))
            if self.is_done(answer):
                return answer
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, self.longest_poll_seconds)
