"""Time as records and the UI hold it: UTC text `YYYY-MM-DD HH:MM:SS.mmm`, without a zone (contract, section 4)."""

from datetime import UTC, datetime, timedelta


def timestamp(moment: datetime | None = None) -> str:
    """`moment` (default: now) as record text."""
    moment = moment or datetime.now(UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def timestamp_after(seconds: float) -> str:
    """Record text of the moment `seconds` from now."""
    return timestamp(datetime.now(UTC) + timedelta(seconds=seconds))
