"""Installations. Adding a cloud model is done at once; a finished job is kept so that the UI can show it."""

import itertools
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from invokeai.app.services.events.events import Event
from invokeai.app.services.model_manager.model_records import AnyModelConfig, ExternalApiModelConfig, ModelRecordChanges
from invokeai.app.services.shared.errors import NotFound

InstallStatus: TypeAlias = Literal[
    "waiting", "downloading", "downloads_done", "running", "paused", "completed", "error", "cancelled"
]


class _Lazy(BaseModel):
    model_config = ConfigDict(defer_build=True, protected_namespaces=())


class ExternalModelSource(_Lazy):
    """A provider's model."""

    provider_id: str
    provider_model_id: str
    type: Literal["external"] = "external"


class LocalModelSource(_Lazy):
    """Files on this machine."""

    path: str
    inplace: bool | None = False
    type: Literal["local"] = "local"


class HFModelSource(_Lazy):
    """A Hugging Face repository."""

    repo_id: str
    variant: str | None = "fp16"
    subfolder: str | None = None
    access_token: str | None = None
    type: Literal["hf"] = "hf"


class URLModelSource(_Lazy):
    """An address to download from."""

    url: str
    access_token: str | None = None
    type: Literal["url"] = "url"


class ModelDownload(_Lazy):
    """One file of an installation."""

    id: int = -1
    dest: str
    download_path: str | None = None
    status: str = "waiting"
    bytes: int = 0
    total_bytes: int = 0
    error_type: str | None = None
    error: str | None = None
    source: str
    access_token: str | None = None
    priority: int = 10
    job_started: str | None = None
    job_ended: str | None = None
    content_type: str | None = None
    canonical_url: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    final_url: str | None = None
    expected_total_bytes: int | None = None
    resume_required: bool = False
    resume_message: str | None = None
    resume_from_scratch: bool = False


class ModelSourceMetadata(_Lazy):
    """What the place that a model comes from says of it."""

    name: str
    type: Literal["basic", "huggingface", "civitai"] = "basic"
    id: str = ""
    files: list[dict[str, Any]] = Field(default_factory=list)
    api_response: str | None = None
    is_diffusers: bool = False
    ckpt_urls: list[str] | None = None


class ModelInstallJob(_Lazy):
    """One installation."""

    id: int
    status: InstallStatus = "waiting"
    error_reason: str | None = None
    config_in: ModelRecordChanges
    config_out: AnyModelConfig | None = None
    inplace: bool = False
    source: ExternalModelSource | LocalModelSource | HFModelSource | URLModelSource
    local_path: str = ""
    bytes: int = 0
    total_bytes: int = 0
    source_metadata: ModelSourceMetadata | None = None
    download_parts: list[ModelDownload] = Field(default_factory=list)
    error: str | None = None
    error_traceback: str | None = None


class ModelInstallStarted(Event):
    """An installation begins."""

    event_name: ClassVar[str] = "model_install_started"
    room: ClassVar[str] = "all"

    id: int
    source: dict[str, Any]


class ModelInstallComplete(Event):
    """An installation is done; the model can be used."""

    event_name: ClassVar[str] = "model_install_complete"
    room: ClassVar[str] = "all"

    id: int
    source: dict[str, Any]
    key: str
    total_bytes: int = 0
    config: dict[str, Any]


class InstallJobs:
    """The jobs since the server started. Ids count up and are never used again."""

    def __init__(self) -> None:
        self._ids = itertools.count()
        self._jobs: dict[int, ModelInstallJob] = {}

    def completed(self, asked: ModelRecordChanges, config: ExternalApiModelConfig, inplace: bool) -> ModelInstallJob:
        """Note that `config` was installed; its job."""
        job = ModelInstallJob(
            id=next(self._ids),
            status="completed",
            config_in=asked.model_copy(update={"source": config.source, "source_type": "external"}),
            config_out=config,
            inplace=inplace,
            source=ExternalModelSource(provider_id=config.provider_id, provider_model_id=config.provider_model_id),
        )
        self._jobs[job.id] = job
        return job

    def all(self) -> list[ModelInstallJob]:
        """Every job that was not pruned."""
        return list(self._jobs.values())

    def get(self, job_id: int) -> ModelInstallJob:
        """The job of that id. Raises NotFound."""
        if job_id not in self._jobs:
            raise NotFound(f"There is no installation {job_id}.")
        return self._jobs[job_id]

    def prune(self) -> None:
        """Forget the jobs that ended, which are all of them."""
        self._jobs.clear()
