-- What the user keeps besides pictures: state of the UI, workflows, style presets, system prompts.
-- Flags are INTEGER 0 or 1, times are UTC text `YYYY-MM-DD HH:MM:SS.mmm`.

-- A value of the UI, cut into parts because one database value has a limit; the parts in order are the value.
CREATE TABLE client_state (
  user_id TEXT NOT NULL,
  key TEXT NOT NULL,
  part INTEGER NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (user_id, key, part)
);

-- Facts about the library itself: digest of the shipped entries, settings changed while running.
CREATE TABLE library_facts (
  name TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
);

-- `tags` is one text, comma-separated. `callable_reason` says whether another workflow may call this one.
CREATE TABLE workflows (
  workflow_id TEXT PRIMARY KEY NOT NULL,
  user_id TEXT NOT NULL,
  category TEXT NOT NULL CHECK (category IN ('user', 'default')),
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  tags TEXT NOT NULL,
  callable_reason TEXT NOT NULL,
  is_public INTEGER NOT NULL CHECK (is_public IN (0, 1)),
  thumbnail_id TEXT,
  workflow TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  opened_at TEXT
);

CREATE INDEX workflows_by_category ON workflows (category, user_id, name);

CREATE TABLE style_presets (
  preset_id TEXT PRIMARY KEY NOT NULL,
  user_id TEXT NOT NULL,
  type TEXT NOT NULL CHECK (type IN ('user', 'default')),
  name TEXT NOT NULL,
  positive_prompt TEXT NOT NULL,
  negative_prompt TEXT NOT NULL,
  is_public INTEGER NOT NULL CHECK (is_public IN (0, 1)),
  image_id TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);

CREATE TABLE system_prompts (
  prompt_id TEXT PRIMARY KEY NOT NULL,
  user_id TEXT NOT NULL,
  name TEXT NOT NULL,
  content TEXT NOT NULL,
  is_public INTEGER NOT NULL CHECK (is_public IN (0, 1)),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
