"""Every setting of the server, from `invokeai.yaml` in the root and from `INVOKEAI_*` (the environment wins).

A setting that is unknown or out of range stops the start with a sentence that names it.
"""

import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

CONFIG_FILE = "invokeai.yaml"
PROVIDER_KEYS = {
    "runware": "RUNWARE_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "parasail": "PARASAIL_API_KEY",
    "openai": "OPENAI_API_KEY",
    "workers_ai": "WORKERS_AI_API_TOKEN",
    "bfl": "BFL_API_KEY",
    "stability": "STABILITY_API_KEY",
    "fal": "FAL_KEY",
    "replicate": "REPLICATE_API_TOKEN",
    "alibabacloud": "DASHSCOPE_API_KEY",
    "seedream": "ARK_API_KEY",
    "openai_compatible": "OPENAI_COMPATIBLE_API_KEY",
}
"""Provider id to the name of the environment variable of its key: the one that people know, but none that opens more.

Workers AI has a name of its own, because CLOUDFLARE_API_TOKEN is the one that wrangler deploys with.
"""

LEAST_TOKEN_LENGTH = 16


class ConfigurationError(Exception):
    """A setting is missing, unknown or wrong; the message names it."""


class AppConfig(BaseSettings):
    """The settings. Sizes are bytes, times seconds, unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix="INVOKEAI_", extra="forbid", env_ignore_empty=True)

    root: Path = Field(default=Path("~/invokeai"), description="Folder of everything the server keeps.")
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=9090, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    web_ui: Literal["auto", "none"] = Field(default="auto", description="auto serves the web UI, none only the API.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")
    log_format: Literal["plain", "json"] = Field(
        default="plain", description="json writes one object a line, with ids of request, item and receipt."
    )

    database: Literal["sqlite", "d1"] = Field(default="sqlite", description="Engine that holds the records.")
    database_path: Path = Field(default=Path("databases/invokeai.db"), description="SQLite file, relative to the root.")
    d1_base_url: str = Field(default="https://api.cloudflare.com", description="Where D1's REST calls are answered.")
    d1_account_id: str | None = Field(default=None, description="Cloudflare account that owns the D1 database.")
    d1_database_id: str | None = Field(default=None, description="Id of the D1 database.")
    d1_api_token: SecretStr | None = Field(
        default=None, description="API token with D1 Edit; none behind the own Worker."
    )
    d1_max_connections: int = Field(default=16, ge=1, le=256, description="D1 calls side by side.")
    image_storage: Literal["disk", "r2"] = Field(default="disk", description="Where files live.")
    r2_bucket: str | None = Field(default=None, description="Bucket of Cloudflare R2 or of any S3 server.")
    r2_account_id: str | None = Field(default=None, description="Cloudflare account that owns the bucket.")
    r2_access_key_id: str | None = Field(default=None, description="Id of an R2 API token with Object Read & Write.")
    r2_secret_access_key: SecretStr | None = Field(default=None, description="Secret of that token.")
    r2_endpoint: str | None = Field(default=None, description="Address of another S3 server than the account's R2.")
    r2_url_seconds: int = Field(
        default=0, ge=0, le=604_800, description="Life of presigned addresses for browsers; 0: files pass the server."
    )
    outputs_path: Path = Field(default=Path("outputs"), description="Folder of image files, relative to the root.")
    custom_nodes_path: Path = Field(default=Path("nodes"), description="Folder of node packs, relative to the root.")

    max_concurrent_sessions: int = Field(default=64, ge=1, le=1024, description="Sessions that run side by side.")
    max_queue_size: int = Field(default=10_000, ge=1, description="Pending items a queue may hold.")
    max_queue_history: int | None = Field(default=None, ge=0, description="Ended items kept; None keeps all.")
    lease_seconds: float = Field(
        default=30, gt=0, description="How long a claimed item stays claimed without a heartbeat."
    )
    node_cache_size: int = Field(
        default=512, ge=0, description="Node results kept for reuse; 0 switches the cache off."
    )
    drain_seconds: float = Field(default=20, ge=0, description="How long SIGTERM waits for running sessions.")

    max_request_bytes: int = Field(default=8 * 2**20, ge=1024, description="Largest JSON request body.")
    max_upload_bytes: int = Field(default=100 * 2**20, ge=1024, description="Largest uploaded file.")
    max_image_pixels: int = Field(default=100_000_000, ge=1, description="Most pixels an image may decode to.")

    provider_keys: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="API key of each provider, by provider id; several as list or between commas.",
    )
    default_image_model: str | None = Field(
        default=None, description="Model of requests that name none, as provider/model; else the first provider's."
    )
    daily_spend_cap: Decimal | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="Most US dollars that paid calls may cost a UTC day.",
    )
    daily_spend_cap_per_user: Decimal | None = Field(
        default=None, ge=0, le=1_000_000, description="The same for each user."
    )
    assumed_image_cost: Decimal | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="What caps count for a picture of unknown price; none: such pictures are refused under a cap.",
    )
    api_tokens: Annotated[list[SecretStr], NoDecode] = Field(
        default_factory=list,
        description="Tokens of programs, 16 characters or more, as a list or between commas; with any, "
        "/v1 and the image router ask for one.",
    )
    provider_base_urls: dict[str, str] = Field(
        default_factory=dict, description="Base URL of a provider, by provider id."
    )
    provider_models: dict[str, list[str]] = Field(
        default_factory=dict,
        description="Picture models by provider id, for openai_compatible and parasail: a list or between commas.",
    )
    provider_result_hosts: dict[str, list[str]] = Field(
        default_factory=dict, description="Further hosts that pictures may be fetched from, by provider id."
    )

    provider_options: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Options of requests that leave them open, by provider id; openai: partial_images: 2 shows drafts.",
    )

    @field_validator("provider_keys", mode="before")
    @classmethod
    def _keys_between_commas(cls, keys: Any) -> Any:
        """A list of keys as the text that holds them all."""
        if not isinstance(keys, dict):
            return keys
        return {name: ",".join(map(str, key)) if isinstance(key, list) else key for name, key in keys.items()}

    @field_validator("provider_models", "provider_result_hosts", mode="before")
    @classmethod
    def _names_in_lists(cls, names: Any) -> Any:
        """Text as a list of what stands between commas."""
        if not isinstance(names, dict):
            return names
        return {
            provider: [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
            for provider, value in names.items()
        }

    @field_validator("api_tokens", mode="before")
    @classmethod
    def _tokens_in_a_list(cls, tokens: Any) -> Any:
        """Text, as the environment has it, as a list of what stands between commas."""
        return [part.strip() for part in tokens.split(",") if part.strip()] if isinstance(tokens, str) else tokens

    @field_validator("api_tokens")
    @classmethod
    def _no_short_token(cls, tokens: list[SecretStr]) -> list[SecretStr]:
        if any(len(token.get_secret_value()) < LEAST_TOKEN_LENGTH for token in tokens):
            raise ValueError(
                f"a token has fewer than {LEAST_TOKEN_LENGTH} characters and could be guessed; "
                "`openssl rand -hex 16` makes a good one"
            )
        return tokens

    @property
    def root_path(self) -> Path:
        """The root, absolute."""
        return self.root.expanduser().resolve()

    def under_root(self, path: Path) -> Path:
        """`path` as it is when absolute, else below the root."""
        path = path.expanduser()
        return path if path.is_absolute() else self.root_path / path


def load_config(root: str | None = None, **overrides: Any) -> AppConfig:
    """Settings from file, environment and `overrides` (strongest last: file, environment, overrides).

    Raises:
        ConfigurationError: naming the setting that is unknown or wrong.
    """
    chosen_root = Path(root or os.environ.get("INVOKEAI_ROOT") or "~/invokeai").expanduser().resolve()
    values = _file_values(chosen_root / CONFIG_FILE)
    for name in AppConfig.model_fields:
        if os.environ.get(f"INVOKEAI_{name.upper()}"):
            values.pop(name, None)
    values.update(overrides)
    values["root"] = chosen_root
    config = _checked(AppConfig, values, f"{CONFIG_FILE} or the environment")
    keys = dict(config.provider_keys)
    for provider, variable in PROVIDER_KEYS.items():
        if os.environ.get(variable):
            keys[provider] = SecretStr(os.environ[variable])
    return config.model_copy(update={"provider_keys": keys})


class _FileConfig(AppConfig):
    """Settings that the environment has no part in."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def load_config_of(place: Path) -> AppConfig:
    """Settings of one of several studios: a root, or a YAML file whose `root` is, if not named, the file's folder.

    The environment holds the settings of one studio, so here it only gives secrets that the file leaves out.

    Raises:
        ConfigurationError: there is no such place, or a setting is unknown or wrong.
    """
    place = place.expanduser().resolve()
    if not place.exists():
        raise ConfigurationError(f"There is no folder or file {place}.")
    file = place / CONFIG_FILE if place.is_dir() else place
    values = _file_values(file)
    named = Path(str(values.get("root", "."))).expanduser()
    values["root"] = place if place.is_dir() else (file.parent / named).resolve()
    for name in ("d1_api_token", "r2_access_key_id", "r2_secret_access_key"):
        from_environment = os.environ.get(f"INVOKEAI_{name.upper()}")
        if name not in values and from_environment:
            values[name] = from_environment
    return _checked(_FileConfig, values, str(file))


def _checked(kind: type[AppConfig], values: dict[str, Any], source: str) -> AppConfig:
    try:
        config = kind(**values)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"Wrong setting in {source}: {faults}") from None
    _require(config, "database: d1", config.database == "d1", ("d1_account_id", "d1_database_id"))
    r2_names = ("r2_bucket", "r2_access_key_id", "r2_secret_access_key")
    where = () if config.r2_endpoint else ("r2_account_id",)
    _require(config, "image_storage: r2", config.image_storage == "r2", r2_names + where)
    return config


def _require(config: AppConfig, choice: str, chosen: bool, names: tuple[str, ...]) -> None:
    """Stop where `choice` needs settings that are not there."""
    missing = [name for name in names if chosen and not getattr(config, name)]
    if missing:
        raise ConfigurationError(f"`{choice}` needs the setting {' and '.join(f'`{name}`' for name in missing)}.")


def _file_values(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not valid YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path} must hold settings as `name: value` lines")
    if "schema_version" in values:
        raise ConfigurationError(
            f"{path} holds settings of InvokeAI itself. Give this studio another root (`--root`), then "
            f"`invokeai-cloud import {path.parent}` brings the library over."
        )
    return {str(name): value for name, value in values.items()}
