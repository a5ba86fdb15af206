-- Paid provider calls: written before they are sent, so that a crash never pays twice.
CREATE TABLE generation_receipts (
  receipt_id TEXT PRIMARY KEY,
  session_id TEXT NOT NULL,
  node_id TEXT NOT NULL,
  call_index INTEGER NOT NULL,
  user_id TEXT NOT NULL,
  provider_id TEXT NOT NULL,
  model_id TEXT NOT NULL,
  request_digest TEXT NOT NULL,
  provider_ref TEXT,
  state TEXT NOT NULL CHECK (state IN ('prepared', 'sent', 'answered', 'stored', 'refused', 'failed', 'unknown')),
  cost_amount TEXT,
  cost_currency TEXT,
  cost_kind TEXT NOT NULL DEFAULT 'unknown' CHECK (cost_kind IN ('reported', 'computed', 'estimated', 'unknown')),
  raw_answer TEXT,
  error TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);

CREATE INDEX generation_receipts_by_session ON generation_receipts (session_id);
CREATE INDEX generation_receipts_by_user ON generation_receipts (user_id, created_at);

-- What users changed about cloud models: new ids, other names, removed ones. The models themselves are the providers'.
CREATE TABLE external_models (
  model_key TEXT PRIMARY KEY,
  provider_id TEXT NOT NULL,
  provider_model_id TEXT NOT NULL,
  changes TEXT NOT NULL DEFAULT '{}',
  is_hidden INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);

CREATE TABLE model_relationships (
  model_key TEXT NOT NULL,
  related_key TEXT NOT NULL,
  created_at TEXT NOT NULL,
  PRIMARY KEY (model_key, related_key)
);
