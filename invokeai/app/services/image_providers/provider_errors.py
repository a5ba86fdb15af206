"""How a provider call can end badly. Each class says two things: may it be sent again, and may it have cost money.

The class name is what the UI shows as the error's kind, so it is part of the product.
"""

from typing import TYPE_CHECKING, ClassVar

from invokeai.app.services.shared.errors import InvalidInput, ServiceError, Unavailable

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.generation import Cost


class ProviderError(ServiceError):
    """Base of every failed provider call. `provider_code` and `request_id` are the provider's own words.

    `model_id` is filled in by the router."""

    may_be_billed: ClassVar[bool] = False

    def __init__(
        self, message: str, *, provider_id: str = "", provider_code: str | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.provider_id = provider_id
        self.model_id: str | None = None
        self.provider_code = provider_code
        self.request_id = request_id


class ProviderBadRequest(ProviderError, InvalidInput):
    """The model cannot do what was asked; nothing was generated."""


class ProviderAddressRefused(ProviderBadRequest):
    """An address, of the settings or the provider's own, may not be asked: nobody has said anything of any call."""


REMEDIES = {
    "prompt": "Change the prompt to try again.",
    "input_image": "Use another picture to try again.",
    "output": "Change the prompt or the seed to try again.",
    "unknown": "Change the prompt or the pictures to try again.",
}


class ProviderRefused(ProviderError, InvalidInput):
    """Moderation said no, at `stage` (a key of REMEDIES). Never sent again by itself. `cost`: if it was billed."""

    cost: "Cost | None" = None

    def __init__(self, message: str, *, stage: str = "unknown", provider_id: str = "", **words: str | None) -> None:
        super().__init__(_sentences(message, REMEDIES[stage]), provider_id=provider_id, **words)
        self.stage = stage

    @classmethod
    def again(cls, said: str, provider_id: str) -> "ProviderRefused":
        """The refusal whose message was `said`."""
        ends = ((stage, remedy) for stage, remedy in REMEDIES.items() if said.endswith(remedy))
        stage, remedy = next(ends, ("unknown", ""))
        return cls(said.removesuffix(remedy).rstrip(), stage=stage, provider_id=provider_id)


class ProviderRateLimited(ProviderError, Unavailable):
    """Too many requests for now. `retry_after` is in seconds; None when the provider gave no hint."""

    def __init__(
        self, message: str, *, retry_after: float | None = None, provider_id: str = "", **words: str | None
    ) -> None:
        remedy = f"Nothing was billed. Try again {_when(retry_after)}, or choose another provider's model."
        super().__init__(_sentences(message, remedy), provider_id=provider_id, **words)
        self.retry_after = retry_after


class ProviderQuotaExhausted(ProviderError, Unavailable):
    """No credit or no quota is left; waiting a minute does not help."""

    def __init__(self, message: str, *, provider_id: str = "", **words: str | None) -> None:
        remedy = "Add credit there, or choose another provider's model."
        super().__init__(_sentences(message, remedy), provider_id=provider_id, **words)


class SpendCapReached(ProviderError, Unavailable):
    """The call would go over this server's own cap on spending; nothing was sent."""


class ProviderAuthError(ProviderError, Unavailable):
    """The provider did not accept the key."""


class ProviderUnavailable(ProviderError, Unavailable):
    """The provider cannot be used now (no key, no connection, its own fault), and certainly did no work.

    `retry_after` is in seconds, where it is known when to try again.
    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, provider_id: str = "", **words: str | None
    ) -> None:
        super().__init__(message, provider_id=provider_id, **words)
        self.retry_after = retry_after


class SentElsewhere(ProviderError, Unavailable):
    """Another server, or an earlier run, has sent this very call and stores what comes of it; nothing was sent here."""

    may_be_billed: ClassVar[bool] = True

    def __init__(self, provider_id: str) -> None:
        message = "Another run has sent this call, and its picture appears in the gallery when it is there."
        super().__init__(f"{message} Nothing was sent a second time.", provider_id=provider_id)


class OutcomeUnknown(ProviderError, Unavailable):
    """The request left and no answer came: it may have been billed, so it is not sent again by itself."""

    may_be_billed: ClassVar[bool] = True
    remedy: ClassVar[str] = "It is not sent again by itself; running it again may cost a second time."

    def __init__(self, message: str, *, provider_id: str = "", **words: str | None) -> None:
        super().__init__(_sentences(message, self.remedy), provider_id=provider_id, **words)


class PaidPictureLate(OutcomeUnknown):
    """The provider has the picture, or still makes it, and it did not come in time: the server asks again by itself."""

    remedy: ClassVar[str] = ""


def _sentences(said: str, remedy: str) -> str:
    """A provider's words, which may end anyhow, and ours."""
    return f"{said}{'' if said.endswith(('.', '!', '?')) else '.'} {remedy}".rstrip()


def _when(seconds: float | None) -> str:
    if seconds is None:
        return "later"
    for size, name in ((3600, "hours"), (60, "minutes")):
        if seconds > 1.5 * size:
            return f"in {seconds / size:.0f} {name}"
    return f"in {max(seconds, 1):.0f} seconds"
