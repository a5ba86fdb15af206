"""The cache of node results: how full it is, on and off, empty it."""

from typing import Any

from fastapi import APIRouter

from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.services.invocation_cache.invocation_cache import InvocationCacheStatus

invocation_cache_router = APIRouter(prefix="/v1/app/invocation_cache", tags=["app"])


@invocation_cache_router.get("/status", operation_id="get_invocation_cache_status")
async def get_invocation_cache_status(services: ServicesDep) -> InvocationCacheStatus:
    """The cache at a glance."""
    return services.invocation_cache.status()


@invocation_cache_router.delete("", operation_id="clear_invocation_cache")
async def clear_invocation_cache(services: ServicesDep) -> Any:
    """Drop every result."""
    services.invocation_cache.clear()


@invocation_cache_router.put("/enable", operation_id="enable_invocation_cache")
async def enable_invocation_cache(services: ServicesDep) -> Any:
    """Keep and give results from now on."""
    services.invocation_cache.enable()


@invocation_cache_router.put("/disable", operation_id="disable_invocation_cache")
async def disable_invocation_cache(services: ServicesDep) -> Any:
    """Neither keep nor give results from now on."""
    services.invocation_cache.disable()
