"""Installing models. Cloud models are added at once; installing files needs local models and is refused in words."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path
from fastapi.responses import HTMLResponse
from pydantic import AnyHttpUrl

from invokeai.app.api.auth import AdminDep
from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.services.model_manager.install_jobs import ModelInstallJob
from invokeai.app.services.model_manager.model_records import ModelRecordChanges
from invokeai.app.services.shared.errors import Conflict

model_install_router = APIRouter(prefix="/v2/models/install", tags=["model_manager"])

JobId = Annotated[int, Path(description="Id of the installation.")]
ENDED = "The installation {id} has ended already."


@model_install_router.post("", status_code=201, operation_id="install_model")
async def install_model(
    services: ServicesDep,
    _: AdminDep,
    source: str,
    config_in: Annotated[ModelRecordChanges, Body(default_factory=ModelRecordChanges)],
    inplace: bool | None = False,
    access_token: str | None = None,
) -> ModelInstallJob:
    """Add the model at `source`, such as external://provider/model."""
    return await services.model_manager.install(source, config_in, bool(inplace))


@model_install_router.get("", operation_id="list_model_installs")
async def list_model_installs(services: ServicesDep) -> list[ModelInstallJob]:
    """Installations since the server started."""
    return services.model_manager.jobs.all()


@model_install_router.delete("", status_code=204, operation_id="prune_model_install_jobs")
async def prune_model_install_jobs(services: ServicesDep, _: AdminDep) -> None:
    """Forget installations that ended."""
    services.model_manager.jobs.prune()


@model_install_router.get(
    "/huggingface", status_code=201, response_class=HTMLResponse, operation_id="install_hugging_face_model"
)
async def install_hugging_face_model(services: ServicesDep, _: AdminDep, source: str) -> HTMLResponse:
    """Install from a link on Hugging Face."""
    services.model_manager.refuse("installing from Hugging Face")


@model_install_router.get("/{id}", operation_id="get_model_install_job")
async def get_model_install_job(services: ServicesDep, id: JobId) -> ModelInstallJob:
    """One installation."""
    return services.model_manager.jobs.get(id)


@model_install_router.delete("/{id}", status_code=201, operation_id="cancel_model_install_job")
async def cancel_model_install_job(services: ServicesDep, _: AdminDep, id: JobId) -> Any:
    """Stop an installation."""
    _ended(services, id)


@model_install_router.post("/{id}/pause", status_code=201, operation_id="pause_model_install_job")
async def pause_model_install_job(services: ServicesDep, _: AdminDep, id: JobId) -> ModelInstallJob:
    """Halt an installation."""
    return _ended(services, id)


@model_install_router.post("/{id}/resume", status_code=201, operation_id="resume_model_install_job")
async def resume_model_install_job(services: ServicesDep, _: AdminDep, id: JobId) -> ModelInstallJob:
    """Go on with a halted installation."""
    return _ended(services, id)


@model_install_router.post("/{id}/restart_failed", status_code=201, operation_id="restart_failed_model_install_job")
async def restart_failed_model_install_job(services: ServicesDep, _: AdminDep, id: JobId) -> ModelInstallJob:
    """Try the failed files of an installation again."""
    return _ended(services, id)


@model_install_router.post("/{id}/restart_file", status_code=201, operation_id="restart_model_install_file")
async def restart_model_install_file(
    services: ServicesDep, _: AdminDep, id: JobId, file_source: Annotated[AnyHttpUrl, Body()]
) -> ModelInstallJob:
    """Try one file of an installation again."""
    return _ended(services, id)


def _ended(services: ServicesDep, id: int) -> ModelInstallJob:
    """Every job here ended in the moment it began. Raises NotFound, else Conflict."""
    services.model_manager.jobs.get(id)
    raise Conflict(ENDED.format(id=id))
