"""The settings in the shape the UI knows. Members that mean nothing on this server hold the contract's default.

Keys never leave the server: a key that is set reads as asterisks.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from invokeai.app.services.config.config import AppConfig
from invokeai.app.services.image_providers.credentials import ProviderCredentialsStore

MASK = "**********"
PROVIDERS_SHOWN = ("alibabacloud", "gemini", "openai", "seedream")

LogLevelName = Literal["debug", "info", "warning", "error", "critical"]
SubfolderStrategy = Literal["flat", "date", "type", "hash"]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class URLRegexTokenPair(BaseModel):
    """A token for downloads from addresses that match."""

    url_regex: str
    token: str


class _ServerSettings(BaseModel):
    schema_version: str = "4.0.3"
    legacy_models_yaml_path: Path | None = None
    host: str = "127.0.0.1"
    port: int = 9090
    allow_origins: list[str] = []
    allow_credentials: bool = True
    allow_methods: list[str] = ["*"]
    allow_headers: list[str] = ["*"]
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    base_url: str | None = None
    forwarded_allow_ips: str = "127.0.0.1"
    http_compression_level: int = Field(default=9, ge=0, le=9)
    log_tokenization: bool = False
    patchmatch: bool = True


class _FolderAndLogSettings(BaseModel):
    models_dir: Path = Path("models")
    convert_cache_dir: Path = Path("models/.convert_cache")
    download_cache_dir: Path = Path("models/.download_cache")
    legacy_conf_dir: Path = Path("configs")
    db_dir: Path = Path("databases")
    outputs_dir: Path = Path("outputs")
    fonts_dir: Path = Path("fonts")
    image_subfolder_strategy: SubfolderStrategy = "flat"
    custom_nodes_dir: Path = Path("nodes")
    style_presets_dir: Path = Path("style_presets")
    workflow_thumbnails_dir: Path = Path("workflow_thumbnails")
    log_handlers: list[str] = ["console"]
    log_format: Literal["plain", "color", "syslog", "legacy"] = "color"
    log_level: LogLevelName = "info"
    log_sql: bool = False
    log_level_network: LogLevelName = "warning"
    use_memory_db: bool = False
    dev_reload: bool = False
    profile_graphs: bool = False
    profile_prefix: str | None = None
    profiles_dir: Path = Path("profiles")


class _DeviceSettings(BaseModel):
    max_cache_ram_gb: Positive | None = None
    max_cache_vram_gb: NotNegative | None = None
    log_memory_usage: bool = False
    model_cache_keep_alive_min: NotNegative = 0
    device_working_mem_gb: float = 3
    enable_partial_loading: bool = True
    keep_ram_copy_of_weights: bool = True
    ram: Positive | None = None
    vram: NotNegative | None = None
    lazy_offload: bool = True
    pytorch_cuda_alloc_conf: str | None = None
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|xpu(:\d+)?|cuda(:\d+)?)$")
    generation_devices: Literal["auto"] | list[str] = "auto"
    offload_text_encoders_to_idle_gpus: bool = True
    precision: Literal["auto", "float16", "bfloat16", "float32"] = "auto"
    sequential_guidance: bool = False
    wan_memory_optimization: bool = False
    pid_memory_optimization: bool = False
    attention_type: Literal["auto", "normal", "xformers", "sliced", "torch-sdp"] = "auto"
    attention_slice_size: Literal["auto", "balanced", "max", 1, 2, 3, 4, 5, 6, 7, 8] = "auto"
    force_tiled_decode: bool = False
    pil_compress_level: int = 1


class _QueueAndModelSettings(BaseModel):
    max_queue_size: int = Field(default=10_000, gt=0)
    session_queue_mode: Literal["FIFO", "round_robin"] = "round_robin"
    clear_queue_on_startup: bool = False
    max_queue_history: int | None = Field(default=None, ge=0)
    allow_nodes: list[str] | None = None
    deny_nodes: list[str] | None = None
    node_cache_size: int = 512
    hashing_algorithm: Literal[
        "blake3_multi", "blake3_single", "random", "md5", "sha1", "sha224", "sha256", "sha384", "sha512",
        "blake2b", "blake2s", "sha3_224", "sha3_256", "sha3_384", "sha3_512", "shake_128", "shake_256",
    ] = "blake3_single"  # fmt: skip
    remote_api_tokens: list[URLRegexTokenPair] | None = None
    scan_models_on_startup: bool = False
    allow_private_download_urls: bool = False
    download_proxy: str | None = None
    unsafe_disable_picklescan: bool = False
    allow_unknown_models: bool = True
    multiuser: bool = False
    strict_password_checking: bool = False


class InvokeAIAppConfig(_QueueAndModelSettings, _DeviceSettings, _FolderAndLogSettings, _ServerSettings):
    """Every setting of the contract."""

    model_config = ConfigDict(extra="forbid")

    external_alibabacloud_api_key: str | None = None
    external_alibabacloud_base_url: str | None = None
    external_gemini_api_key: str | None = None
    external_openai_api_key: str | None = None
    external_gemini_base_url: str | None = None
    external_openai_base_url: str | None = None
    external_seedream_api_key: str | None = None
    external_seedream_base_url: str | None = None


class InvokeAIAppConfigWithSetFields(BaseModel):
    """The settings, and which of them were set."""

    set_fields: set[str]
    config: InvokeAIAppConfig


SAME_NAME = ("host", "port", "log_level", "max_queue_size", "max_queue_history", "node_cache_size")
OTHER_NAME = {"outputs_path": "outputs_dir", "custom_nodes_path": "custom_nodes_dir"}


def contract_config(
    config: AppConfig, credentials: ProviderCredentialsStore, generation_devices: Any
) -> InvokeAIAppConfigWithSetFields:
    """The settings in force."""
    names = {**{name: name for name in SAME_NAME}, **OTHER_NAME}
    values: dict[str, Any] = {theirs: getattr(config, ours) for ours, theirs in names.items()}
    values |= {"db_dir": config.database_path.parent, "patchmatch": False, "session_queue_mode": "FIFO"}
    values["generation_devices"] = generation_devices
    changed = {theirs for ours, theirs in names.items() if ours in config.model_fields_set}
    for provider in PROVIDERS_SHOWN:
        known = credentials.get(provider)
        if known.api_key:
            values[f"external_{provider}_api_key"] = MASK
            changed.add(f"external_{provider}_api_key")
        if known.base_url:
            values[f"external_{provider}_base_url"] = known.base_url
            changed.add(f"external_{provider}_base_url")
    return InvokeAIAppConfigWithSetFields(set_fields=changed, config=InvokeAIAppConfig(**values))
