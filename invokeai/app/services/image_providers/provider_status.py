"""What a person reads about a provider: whether it can be used, what ails it, what it cost today.

Only failures that are the provider's own are told here (key, credit, limits, connection), as everyone may read this.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from invokeai.app.services.image_providers.image_service_manager import COST_NOTHING, ImageServiceManager
from invokeai.app.services.image_providers.provider import ImageProvider
from invokeai.app.services.image_providers.provider_errors import ProviderAuthError
from invokeai.app.services.image_providers.spend_caps import today
from invokeai.app.services.image_providers.spend_reports import SpendReports, SpendRow

PROVIDERS_OWN = frozenset(error.__name__ for error in COST_NOTHING)


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """`configured`: a request could be sent, and the key was not refused by the last one. `message`: sentences."""

    provider: ImageProvider
    configured: bool
    message: str


async def provider_statuses(
    manager: ImageServiceManager, spend: SpendReports, user_id: str | None = None
) -> list[ProviderStatus]:
    """Every provider, with what it cost `user_id` (None: everyone) today. One round trip."""
    rows: dict[str, list[SpendRow]] = defaultdict(list)
    for row in await spend.report("provider", today(), today(), user_id):
        rows[row.name].append(row)
    return [_status(manager, provider, rows[provider.info.provider_id]) for provider in manager.providers()]


def _status(manager: ImageServiceManager, provider: ImageProvider, rows: Sequence[SpendRow]) -> ProviderStatus:
    reason, counted = provider.get_unavailability_reason(), manager.metrics[provider.info.provider_id]
    sentences = [f"{reason} {provider.get_setup_instructions()}"] if reason else []
    if counted.last_failure and counted.last_failure_kind in PROVIDERS_OWN:
        sentences.append(f"The last call failed: {counted.last_failure}")
    if rows:
        sentences.append(_spent(rows))
    refused = counted.last_failure_kind == ProviderAuthError.__name__
    return ProviderStatus(provider, reason is None and not refused, " ".join(sentences))


def _spent(rows: Sequence[SpendRow]) -> str:
    known = [f"{row.amount} {row.currency} for {_counted(row.images, 'picture')}" for row in rows if row.amount]
    unknown = sum(row.images_of_unknown_cost for row in rows)
    known += [f"an unknown amount for {_counted(unknown, 'picture')}"] if unknown else []
    lost = sum(row.calls_maybe_billed for row in rows)
    known += [f"perhaps something for {_counted(lost, 'call')} without an answer"] if lost else []
    return f"Today (UTC): {', '.join(known) or 'nothing yet'}."


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
