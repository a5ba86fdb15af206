"""From settings to the library that a studio with these settings has."""

from invokeai.app.api.dependencies import file_storage, record_database
from invokeai.app.services.config.config import AppConfig, ConfigurationError
from invokeai.app.services.library_moves.library import THUMBNAILS, Library


async def open_library(config: AppConfig, *, must_exist: bool = False) -> Library:
    """The library; nothing is made or migrated.

    Raises:
        ConfigurationError: a setting is wrong, or `must_exist` and there is no database file.
    """
    database_path = config.under_root(config.database_path)
    on_sqlite, on_disk = config.database == "sqlite", config.image_storage == "disk"
    if must_exist and on_sqlite and not database_path.exists():
        raise ConfigurationError(f"There is no library here: {database_path} does not exist.")
    objects, _ = await file_storage(config)
    outputs = config.under_root(config.outputs_path)
    bucket = f"{config.r2_endpoint or f'R2 account {config.r2_account_id}'} bucket {config.r2_bucket}"
    return Library(
        database=record_database(config),
        objects=objects,
        database_place=str(database_path)
        if on_sqlite
        else f"{config.d1_base_url} D1 database {config.d1_account_id}/{config.d1_database_id}",
        objects_place=str(outputs) if on_disk else bucket,
        thumbnails=f"images/{THUMBNAILS}" if on_disk else THUMBNAILS,
    )
