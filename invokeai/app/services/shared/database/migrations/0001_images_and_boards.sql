-- Boards and images. A picture is in at most one board; `board_id` NULL means uncategorised.
-- Flags are INTEGER 0 or 1, times are UTC text `YYYY-MM-DD HH:MM:SS.mmm`.
CREATE TABLE boards (
  board_id TEXT PRIMARY KEY NOT NULL,
  board_name TEXT NOT NULL,
  user_id TEXT NOT NULL DEFAULT 'system',
  cover_image_name TEXT,
  archived INTEGER NOT NULL DEFAULT 0 CHECK (archived IN (0, 1)),
  board_visibility TEXT NOT NULL DEFAULT 'private',
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  deleted_at TEXT
);

CREATE TABLE images (
  image_name TEXT PRIMARY KEY NOT NULL,
  image_origin TEXT NOT NULL,
  image_category TEXT NOT NULL,
  width INTEGER NOT NULL,
  height INTEGER NOT NULL,
  session_id TEXT,
  node_id TEXT,
  is_intermediate INTEGER NOT NULL DEFAULT 0 CHECK (is_intermediate IN (0, 1)),
  starred INTEGER NOT NULL DEFAULT 0 CHECK (starred IN (0, 1)),
  has_workflow INTEGER NOT NULL DEFAULT 0 CHECK (has_workflow IN (0, 1)),
  board_id TEXT REFERENCES boards (board_id) ON DELETE SET NULL,
  user_id TEXT NOT NULL DEFAULT 'system',
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  deleted_at TEXT,
  metadata TEXT
);

-- A gallery in its order, with and without a category; both cover the names of a gallery.
CREATE INDEX images_by_category
  ON images (board_id, is_intermediate, image_category, starred, created_at, image_name);
CREATE INDEX images_by_board
  ON images (board_id, is_intermediate, starred, created_at, image_category, image_name);
CREATE INDEX images_by_time ON images (starred, created_at, image_name);

-- How many images there are of each kind, kept by the triggers below: no count ever scans the images.
-- `board_id` is '' for uncategorised, because a key cannot hold NULL.
CREATE TABLE image_counts (
  board_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  image_category TEXT NOT NULL,
  image_origin TEXT NOT NULL,
  is_intermediate INTEGER NOT NULL,
  starred INTEGER NOT NULL,
  images INTEGER NOT NULL,
  PRIMARY KEY (board_id, user_id, image_category, image_origin, is_intermediate, starred)
);

CREATE TRIGGER images_count_insert AFTER INSERT ON images BEGIN
  INSERT INTO image_counts (board_id, user_id, image_category, image_origin, is_intermediate, starred, images)
  VALUES (coalesce(new.board_id, ''), new.user_id, new.image_category, new.image_origin, new.is_intermediate, new.starred, 1)
  ON CONFLICT DO UPDATE SET images = images + 1;
END;

CREATE TRIGGER images_count_delete AFTER DELETE ON images BEGIN
  UPDATE image_counts SET images = images - 1
  WHERE board_id = coalesce(old.board_id, '') AND user_id = old.user_id AND image_category = old.image_category
    AND image_origin = old.image_origin AND is_intermediate = old.is_intermediate AND starred = old.starred;
END;

CREATE TRIGGER images_count_update
AFTER UPDATE OF board_id, user_id, image_category, image_origin, is_intermediate, starred ON images BEGIN
  UPDATE image_counts SET images = images - 1
  WHERE board_id = coalesce(old.board_id, '') AND user_id = old.user_id AND image_category = old.image_category
    AND image_origin = old.image_origin AND is_intermediate = old.is_intermediate AND starred = old.starred;
  INSERT INTO image_counts (board_id, user_id, image_category, image_origin, is_intermediate, starred, images)
  VALUES (coalesce(new.board_id, ''), new.user_id, new.image_category, new.image_origin, new.is_intermediate, new.starred, 1)
  ON CONFLICT DO UPDATE SET images = images + 1;
END;
