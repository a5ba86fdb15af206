"""The environment of a server that keeps its records in D1 and its files in a bucket."""

from invokeai.app.services.shared.database.d1_client import D1Settings
from invokeai.app.services.shared.objects.s3_objects import S3Settings

INSIDE = D1Settings("http://d1.internal", "internal", "studio")
"""The Worker's database, as its container knows it."""


def cloud_settings(d1: D1Settings, s3: S3Settings, endpoint: str | None = None) -> dict[str, str]:
    """Settings for `d1` and `s3`; `endpoint` is another way to the bucket."""
    token = {} if d1.token is None else {"INVOKEAI_D1_API_TOKEN": d1.token}
    return {
        **token,
        "INVOKEAI_DATABASE": "d1",
        "INVOKEAI_D1_BASE_URL": d1.base_url,
        "INVOKEAI_D1_ACCOUNT_ID": d1.account_id,
        "INVOKEAI_D1_DATABASE_ID": d1.database_id,
        "INVOKEAI_IMAGE_STORAGE": "r2",
        "INVOKEAI_R2_BUCKET": s3.bucket,
        "INVOKEAI_R2_ACCESS_KEY_ID": s3.access_key_id,
        "INVOKEAI_R2_SECRET_ACCESS_KEY": s3.secret_access_key,
        "INVOKEAI_R2_ENDPOINT": endpoint or str(s3.endpoint),
    }
