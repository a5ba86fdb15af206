"""Facts about the server, its settings and its log level. Keys are never shown."""

import logging
from enum import IntEnum
from typing import Annotated

from fastapi import APIRouter, Body, Response
from pydantic import BaseModel

from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.api.json_answer import JsonAnswer
from invokeai.app.services.app_info.contract_config import InvokeAIAppConfigWithSetFields, contract_config
from invokeai.app.services.app_info.installed_packages import installed_packages
from invokeai.app.services.app_info.runtime_settings import DEVICES, UpdateAppGenerationSettingsRequest
from invokeai.version import CONTRACT_VERSION

app_info_router = APIRouter(prefix="/v1/app", tags=["app"])


class AppVersion(BaseModel):
    """The version whose contract this server speaks."""

    version: str


class GenerationDeviceOption(BaseModel):
    """A device that nodes may run on."""

    device: str
    name: str


class LogLevel(IntEnum):
    """Least level that is logged."""

    NotSet = 0
    Debug = 10
    Info = 20
    Warning = 30
    Error = 40
    Critical = 50


@app_info_router.get("/version", operation_id="app_version", response_model=AppVersion)
async def app_version() -> Response:
    """The version."""
    return JsonAnswer({"version": CONTRACT_VERSION})


@app_info_router.get("/app_deps", operation_id="get_app_deps")
async def get_app_deps() -> dict[str, str]:
    """Installed packages and their versions."""
    return await installed_packages()


@app_info_router.get("/patchmatch_status", operation_id="get_patchmatch_status")
async def get_patchmatch_status() -> bool:
    """PatchMatch infill is not offered here."""
    return False


@app_info_router.get("/generation_device_options", operation_id="get_generation_device_options")
async def get_generation_device_options() -> list[GenerationDeviceOption]:
    """Devices that nodes may run on."""
    return [GenerationDeviceOption(device=device, name=name) for device, name in DEVICES.items()]


@app_info_router.get("/runtime_config", operation_id="get_runtime_config")
async def get_runtime_config(services: ServicesDep) -> InvokeAIAppConfigWithSetFields:
    """The settings, keys masked."""
    return contract_config(services.config, services.provider_credentials, services.runtime_settings.generation_devices)


@app_info_router.patch("/runtime_config", operation_id="update_runtime_config")
async def update_runtime_config(
    services: ServicesDep,
    changes: Annotated[UpdateAppGenerationSettingsRequest, Body(description="What to change.")],
) -> InvokeAIAppConfigWithSetFields:
    """Change settings while the server runs."""
    await services.runtime_settings.update(changes)
    return await get_runtime_config(services)


@app_info_router.get("/logging", operation_id="get_log_level")
async def get_log_level() -> LogLevel:
    """Least level that is logged."""
    level = logging.getLogger().getEffectiveLevel()
    return max((known for known in LogLevel if known <= level), default=LogLevel.NotSet)


@app_info_router.post("/logging", operation_id="set_log_level")
async def set_log_level(level: Annotated[LogLevel, Body(description="Least level to log.")]) -> LogLevel:
    """Log more or less from now on."""
    logging.getLogger().setLevel(level.value)
    return level
