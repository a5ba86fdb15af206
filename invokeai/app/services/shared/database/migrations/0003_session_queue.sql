-- Batches hold what all their items share; an item holds only what makes it different.
CREATE TABLE batches (
  batch_id TEXT PRIMARY KEY,
  queue_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  origin TEXT,
  destination TEXT,
  priority INTEGER NOT NULL,
  graph TEXT NOT NULL,
  workflow TEXT,
  created_at TEXT NOT NULL
);

-- AUTOINCREMENT: an id is never used again, clients remember the ids of ended items.
CREATE TABLE session_queue (
  item_id INTEGER PRIMARY KEY AUTOINCREMENT,
  queue_id TEXT NOT NULL,
  batch_id TEXT NOT NULL REFERENCES batches (batch_id),
  session_id TEXT NOT NULL UNIQUE,
  user_id TEXT NOT NULL,
  origin TEXT,
  destination TEXT,
  priority INTEGER NOT NULL,
  status TEXT NOT NULL DEFAULT 'pending'
    CHECK (status IN ('pending', 'in_progress', 'waiting', 'completed', 'failed', 'canceled')),
  status_sequence INTEGER NOT NULL DEFAULT 0,
  field_values TEXT NOT NULL,
  session TEXT,
  error_type TEXT,
  error_message TEXT,
  error_traceback TEXT,
  device TEXT,
  retried_from_item_id INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0,
  worker_id TEXT,
  lease_expires_at TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  started_at TEXT,
  completed_at TEXT
);

CREATE INDEX session_queue_by_turn ON session_queue (status, priority DESC, item_id);
CREATE INDEX session_queue_by_batch ON session_queue (batch_id, status);
CREATE INDEX session_queue_by_destination ON session_queue (queue_id, destination, status);

-- Sessions too large for one value, in pieces.
CREATE TABLE session_parts (
  item_id INTEGER NOT NULL REFERENCES session_queue (item_id) ON DELETE CASCADE,
  part INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (item_id, part)
);

-- How many items a queue has of each status: kept by triggers, so that a status event costs no count.
CREATE TABLE session_queue_counts (
  queue_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  status TEXT NOT NULL,
  total INTEGER NOT NULL,
  PRIMARY KEY (queue_id, user_id, status)
);

CREATE TRIGGER session_queue_inserted AFTER INSERT ON session_queue BEGIN
  INSERT INTO session_queue_counts (queue_id, user_id, status, total)
  VALUES (new.queue_id, new.user_id, new.status, 1)
  ON CONFLICT (queue_id, user_id, status) DO UPDATE SET total = total + 1;
END;

CREATE TRIGGER session_queue_status_changed AFTER UPDATE OF status ON session_queue
WHEN old.status <> new.status BEGIN
  UPDATE session_queue_counts SET total = total - 1
  WHERE queue_id = old.queue_id AND user_id = old.user_id AND status = old.status;
  INSERT INTO session_queue_counts (queue_id, user_id, status, total)
  VALUES (new.queue_id, new.user_id, new.status, 1)
  ON CONFLICT (queue_id, user_id, status) DO UPDATE SET total = total + 1;
END;

CREATE TRIGGER session_queue_deleted AFTER DELETE ON session_queue BEGIN
  UPDATE session_queue_counts SET total = total - 1
  WHERE queue_id = old.queue_id AND user_id = old.user_id AND status = old.status;
END;
