"""SQL of the image records: what a DTO looks like as JSON text, and how a gallery is filtered and ordered.

Lists travel as one JSON parameter and JSON is joined from text, because D1 allows 100 parameters a statement and
32 arguments a function. Names of pictures need no quoting: they are checked before they are stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.shared.database.base import SqlValue
from invokeai.app.services.shared.pagination import SQLiteDirection

UNCATEGORIZED = "none"
"""The board id that stands for pictures on no board."""

NAMES_PAGES, NAMES_A_PAGE = 8, 15_000
"""Pages of names that one round trip asks for. A name has at most 120 characters, so a page stays below 2 MB."""

DTO_JSON = """
'{"image_name":"' || image_name || '","image_url":"api/v1/images/i/' || image_name
|| '/full","thumbnail_url":"api/v1/images/i/' || image_name || '/thumbnail","image_origin":"' || image_origin
|| '","image_category":"' || image_category || '","width":' || width || ',"height":' || height
|| ',"created_at":"' || created_at || '","updated_at":"' || updated_at || '","deleted_at":' || json_quote(deleted_at)
|| CASE WHEN is_intermediate THEN ',"is_intermediate":true' ELSE ',"is_intermediate":false' END
|| ',"session_id":' || json_quote(session_id) || ',"node_id":' || json_quote(node_id)
|| CASE WHEN starred THEN ',"starred":true' ELSE ',"starred":false' END
|| CASE WHEN has_workflow THEN ',"has_workflow":true' ELSE ',"has_workflow":false' END
|| ',"image_subfolder":"","board_id":' || json_quote(board_id) || '}'
"""
"""An ImageDTO as JSON text, of the columns of `images`."""

SELECT_DTO = f"SELECT {DTO_JSON} AS dto FROM images WHERE image_name = ?"

SELECT_DTOS = f"""
SELECT {DTO_JSON} AS dto FROM json_each(?) AS wanted CROSS JOIN images ON image_name = wanted.value ORDER BY wanted.key
"""
"""In the order asked for. CROSS JOIN: the names lead, not the table."""

# A picture whose board is gone meanwhile is kept, uncategorised: it may have been paid for.
INSERT_IMAGE = """
INSERT INTO images (image_name, image_origin, image_category, width, height, session_id, node_id, is_intermediate,
  starred, has_workflow, board_id, user_id, created_at, updated_at, metadata)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, (SELECT board_id FROM boards WHERE board_id = ? AND deleted_at IS NULL),
  ?, ?, ?, ?)
ON CONFLICT (image_name) DO NOTHING
"""

UPDATE_IMAGE = """
UPDATE images SET image_category = coalesce(?, image_category), session_id = coalesce(?, session_id),
  is_intermediate = coalesce(?, is_intermediate), starred = coalesce(?, starred), updated_at = ?
WHERE image_name = ?
"""

_NAMED = "image_name IN (SELECT value FROM json_each(?))"
_NAME_AND_BOARD = "image_name, coalesce(board_id, 'none') AS board_id"
SELECT_BOARDS_OF = f"SELECT {_NAME_AND_BOARD} FROM images WHERE {_NAMED}"
UPDATE_STARRED = f"UPDATE images SET starred = ?, updated_at = ? WHERE {_NAMED} RETURNING {_NAME_AND_BOARD}"
UPDATE_BOARD = f"UPDATE images SET board_id = ?, updated_at = ? WHERE {_NAMED}"
DELETE_NAMED = f"DELETE FROM images WHERE {_NAMED} RETURNING {_NAME_AND_BOARD}"
DELETE_UNCATEGORIZED = f"DELETE FROM images WHERE board_id IS NULL AND is_intermediate = 0 RETURNING {_NAME_AND_BOARD}"
DELETE_ON_BOARD = f"DELETE FROM images WHERE board_id = ? RETURNING {_NAME_AND_BOARD}"
DELETE_INTERMEDIATES = f"DELETE FROM images WHERE is_intermediate = 1 RETURNING {_NAME_AND_BOARD}"
COUNT_INTERMEDIATES = "SELECT coalesce(sum(images), 0) AS total FROM image_counts WHERE is_intermediate = 1"
SELECT_METADATA = "SELECT metadata FROM images WHERE image_name = ?"

SELECT_CATEGORIES_OF = f"SELECT image_name, image_category FROM images WHERE {_NAMED}"
SELECT_CATEGORIES_ON_BOARD = """
SELECT image_name, image_category FROM images WHERE board_id = ? AND is_intermediate = 0
"""
SELECT_CATEGORIES_UNCATEGORIZED = """
SELECT image_name, image_category FROM images WHERE board_id IS NULL AND is_intermediate = 0
"""
SELECT_BOARD_NAME = "SELECT board_name FROM boards WHERE board_id = ? AND deleted_at IS NULL"

BOARD_SUMMARY_COLUMNS = """
(SELECT coalesce(sum(c.images), 0) FROM image_counts AS c
  WHERE c.board_id = boards.board_id AND c.is_intermediate = 0 AND c.image_category = 'general') AS image_count,
(SELECT coalesce(sum(c.images), 0) FROM image_counts AS c
  WHERE c.board_id = boards.board_id AND c.is_intermediate = 0 AND c.image_category <> 'general') AS asset_count,
coalesce(
  (SELECT i.image_name FROM images AS i WHERE i.image_name = boards.cover_image_name),
  (SELECT image_name FROM (
    SELECT * FROM (SELECT image_name, created_at FROM images AS i
      WHERE i.board_id = boards.board_id AND i.is_intermediate = 0 AND i.starred = 1
      ORDER BY created_at DESC, image_name DESC LIMIT 1)
    UNION ALL
    SELECT * FROM (SELECT image_name, created_at FROM images AS i
      WHERE i.board_id = boards.board_id AND i.is_intermediate = 0 AND i.starred = 0
      ORDER BY created_at DESC, image_name DESC LIMIT 1)
  ) ORDER BY created_at DESC LIMIT 1)
) AS cover_image_name
"""
"""Columns for a `SELECT … FROM boards`: counts and the cover (the one set, else the newest). No scan of the images."""

SELECT_DAYS = """
SELECT substr(created_at, 1, 10) AS date, sum(image_category = 'general') AS image_count,
  sum(image_category <> 'general') AS asset_count, substr(max(created_at || image_name), 24) AS cover_image_name
FROM images WHERE is_intermediate = 0 GROUP BY 1 ORDER BY 1 DESC
"""
"""One row a day that has pictures; the cover is the day's newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFilter:
    """Which pictures a list shows. None means any; `board_id` 'none' means on no board."""

    board_id: str | None = None
    image_origin: ResourceOrigin | None = None
    categories: Sequence[ImageCategory] | None = None
    is_intermediate: bool | None = None
    search_term: str | None = None
    """Found in the metadata or the time of creation, whatever its case (ASCII)."""
    created_date: str | None = None
    """A day, YYYY-MM-DD (UTC)."""

    def where(self) -> tuple[str, tuple[SqlValue, ...]]:
        """The condition on `images` and its parameters."""
        conditions, params = self._kinds("board_id IS NULL")
        if self.created_date:
            conditions.append("created_at >= ? AND created_at < ? || ' 24'")
            params += [self.created_date, self.created_date]
        if self.search_term:
            conditions.append("(instr(lower(metadata), ?) > 0 OR instr(created_at, ?) > 0)")
            params += [self.search_term.lower(), self.search_term]
        return " AND ".join(conditions) or "1", tuple(params)

    def count(self) -> tuple[str, tuple[SqlValue, ...]]:
        """A statement with the columns `total` and `starred`; without a search it does not touch the images."""
        if self.created_date or self.search_term:
            where, params = self.where()
            return f"SELECT count(*) AS total, coalesce(sum(starred), 0) AS starred FROM images WHERE {where}", params
        conditions, kinds = self._kinds("board_id = ''")
        sums = "coalesce(sum(images), 0) AS total, coalesce(sum(images * starred), 0) AS starred"
        return f"SELECT {sums} FROM image_counts WHERE {' AND '.join(conditions) or '1'}", tuple(kinds)

    def _kinds(self, uncategorized: str) -> tuple[list[str], list[SqlValue]]:
        conditions: list[str] = []
        params: list[SqlValue] = []
        if self.board_id == UNCATEGORIZED:
            conditions.append(uncategorized)
        elif self.board_id is not None:
            conditions.append("board_id = ?")
            params.append(self.board_id)
        if self.is_intermediate is not None:
            conditions.append("is_intermediate = ?")
            params.append(int(self.is_intermediate))
        if self.categories is not None and len(self.categories) == 1:
            conditions.append("image_category = ?")
            params.append(str(self.categories[0]))
        elif self.categories is not None:
            conditions.append("image_category IN (SELECT value FROM json_each(?))")
            params.append(orjson.dumps(list(self.categories)).decode())
        if self.image_origin is not None:
            conditions.append("image_origin = ?")
            params.append(str(self.image_origin))
        return conditions, params


def ordered(order_dir: SQLiteDirection, starred_first: bool) -> str:
    """The ORDER BY of a gallery; the name decides between pictures of one millisecond."""
    direction = SQLiteDirection(order_dir).value
    return f"{'starred DESC, ' if starred_first else ''}created_at {direction}, image_name {direction}"


def page(
    where: ImageFilter, order_dir: SQLiteDirection, starred_first: bool, limit: int, offset: int
) -> tuple[str, tuple[SqlValue, ...]]:
    """A statement with the column `items`: DTOs in order, joined by commas (NULL: none)."""
    condition, params = where.where()
    order = ordered(order_dir, starred_first)
    if order_dir == SQLiteDirection.Descending and starred_first:
        dtos = f"SELECT {DTO_JSON} AS dto FROM images WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"
    else:
        # no index has this order: sort names alone first, and build DTOs of the page only
        names = f"SELECT image_name FROM images WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"
        dtos = f"SELECT {DTO_JSON} AS dto FROM images WHERE image_name IN ({names}) ORDER BY {order} LIMIT -1"
    return f"SELECT group_concat(dto, ',') AS items FROM ({dtos})", (*params, limit, offset)


def names_page(where: ImageFilter, number: int) -> tuple[str, tuple[SqlValue, ...]]:
    """A statement with the column `names`: a page of names in the usual order, quoted and joined (NULL: none)."""
    condition, params = where.where()
    count, counted = where.count()
    order = ordered(SQLiteDirection.Descending, True)
    offset = number * NAMES_A_PAGE
    # the count is looked at first, so that a page beyond the end does not walk to it
    sql = f"""
SELECT '"' || group_concat(image_name, '","') || '"' AS names FROM (
  SELECT image_name FROM images WHERE (SELECT total FROM ({count})) > {offset} AND {condition}
  ORDER BY {order} LIMIT {NAMES_A_PAGE} OFFSET {offset})
"""
    return sql, (*counted, *params)
