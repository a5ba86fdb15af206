-- Requests of programs that carry an Idempotency-Key: which call one began, and what it was answered.
-- `request_key` is a SHA-256 of user and key, `digest` one of what was asked for, `answer` JSON once the pictures are stored.
CREATE TABLE idempotent_requests (
  request_key TEXT PRIMARY KEY,
  digest TEXT NOT NULL,
  call_id TEXT NOT NULL,
  answer TEXT,
  created_at TEXT NOT NULL
);

CREATE INDEX idempotent_requests_by_age ON idempotent_requests (created_at);
