"""Keys and addresses of providers. Keys go in and never come out, and to no address that they were not given for."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict

from invokeai.app.api.auth import AdminDep, CurrentUserDep
from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.services.image_providers.provider import ImageProvider
from invokeai.app.services.image_providers.provider_status import provider_statuses
from invokeai.app.services.shared.errors import NotAvailableHere

external_providers_router = APIRouter(prefix="/v1/app/external_providers", tags=["app"])

ProviderId = Annotated[str, Path(description="Id of the provider.")]


class ExternalProviderConfigModel(BaseModel):
    """Whether a provider has what it needs, and its address if not the usual one."""

    model_config = ConfigDict(defer_build=True)

    provider_id: str
    api_key_configured: bool
    base_url: str | None = None


class ExternalProviderConfigUpdate(BaseModel):
    """What to change; an empty text or null removes."""

    api_key: str | None = None
    base_url: str | None = None


class ExternalProviderStatusModel(BaseModel):
    """Whether a provider can be used; what is missing, what failed, what it cost today."""

    model_config = ConfigDict(defer_build=True)

    provider_id: str
    configured: bool
    message: str | None = None


@external_providers_router.get("/status", operation_id="get_external_provider_statuses")
async def get_external_provider_statuses(
    services: ServicesDep, user: CurrentUserDep
) -> list[ExternalProviderStatusModel]:
    """Every provider. An administrator sees what all have spent today (UTC), others their own."""
    spent_by = None if user.is_admin else user.user_id
    statuses = await provider_statuses(services.image_generation, services.spend_reports, spent_by)
    return [
        ExternalProviderStatusModel(
            provider_id=status.provider.info.provider_id,
            configured=status.configured,
            message=" ".join(filter(None, (status.message, _how_it_is_set(services, status.provider)))) or None,
        )
        for status in statuses
    ]


@external_providers_router.get("/config", operation_id="get_external_provider_configs")
async def get_external_provider_configs(services: ServicesDep) -> list[ExternalProviderConfigModel]:
    """The settings of every provider that has any, without keys."""
    return [_config(services, provider) for provider in services.image_generation.providers() if provider.info.is_paid]


@external_providers_router.post("/config/{provider_id}", operation_id="set_external_provider_config")
async def set_external_provider_config(
    services: ServicesDep, _: AdminDep, provider_id: ProviderId, update: ExternalProviderConfigUpdate
) -> ExternalProviderConfigModel:
    """Keep a key or an address. Settings and environment win over what is kept here.

    A key is sent to the address in force when it came, so a new address needs a key in the same request or after it.
    """
    provider = services.image_generation.get_provider(provider_id)
    changes = update.model_dump(include=update.model_fields_set)
    if not changes:
        raise NotAvailableHere("Nothing to change: the request has neither a key nor a base URL.")
    if changes.get("api_key"):
        if not provider.info.takes_key:
            raise NotAvailableHere(f"{provider.info.display_name} needs no key.")
        if services.provider_credentials.key_is_configured(provider_id, changes):
            raise NotAvailableHere(_from_settings(provider))
    was_available = provider.is_available()
    services.provider_credentials.save(provider_id, changes)
    services.image_generation.metrics[provider_id].forget_failure()
    if provider.is_available():
        await provider.refresh_models()
    if provider.is_available() and not was_available:
        services.model_manager.announce_provider(provider_id)
    return _config(services, provider)


@external_providers_router.delete("/config/{provider_id}", operation_id="reset_external_provider_config")
async def reset_external_provider_config(
    services: ServicesDep, _: AdminDep, provider_id: ProviderId
) -> ExternalProviderConfigModel:
    """Forget the key and the address that were kept here."""
    provider = services.image_generation.get_provider(provider_id)
    services.provider_credentials.save(provider_id, {"api_key": None, "base_url": None})
    services.image_generation.metrics[provider_id].forget_failure()
    return _config(services, provider)


def _config(services: ServicesDep, provider: ImageProvider) -> ExternalProviderConfigModel:
    credentials = services.provider_credentials.get(provider.info.provider_id)
    return ExternalProviderConfigModel(
        provider_id=provider.info.provider_id,
        api_key_configured=bool(credentials.api_key) or (not provider.info.needs_key and provider.is_available()),
        base_url=credentials.base_url,
    )


def _how_it_is_set(services: ServicesDep, provider: ImageProvider) -> str | None:
    if not provider.is_available():
        return None
    if withheld := provider.key_for_another_address():  # of a provider that can do without
        return withheld
    if services.provider_credentials.key_is_configured(provider.info.provider_id):
        return _from_settings(provider)
    return provider.get_setup_instructions() if not provider.info.needs_key else None


def _from_settings(provider: ImageProvider) -> str:
    return (
        f"The key of {provider.info.display_name} comes from the server's settings or environment, "
        "which win over a key entered here."
    )
