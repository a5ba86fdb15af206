"""Facts about the library as a whole, by name: few, small, read once at the start."""

from invokeai.app.services.shared.database.base import Database, Statement

_ALL = "SELECT name, value FROM library_facts"
_PUT = (
    "INSERT INTO library_facts (name, value) VALUES (?, ?) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value"
)


async def load_facts(database: Database) -> dict[str, str]:
    """Every fact. One round trip."""
    return {str(row["name"]): str(row["value"]) for row in await database.fetch(_ALL)}


def fact_statement(name: str, value: str) -> Statement:
    """The write that sets a fact."""
    return Statement(_PUT, (name, value))
