-- Money: what a call holds of the day's caps, and sums that are exact. A micro is a millionth of the currency.
ALTER TABLE generation_receipts ADD COLUMN images INTEGER NOT NULL DEFAULT 0;
ALTER TABLE generation_receipts ADD COLUMN cost_micros INTEGER;
ALTER TABLE generation_receipts ADD COLUMN cap_micros INTEGER NOT NULL DEFAULT 0;
ALTER TABLE generation_receipts ADD COLUMN cap_day TEXT;

UPDATE generation_receipts SET images = 1 WHERE state = 'stored';
UPDATE generation_receipts SET cost_micros = CAST(ROUND(CAST(cost_amount AS REAL) * 1000000) AS INTEGER)
  WHERE cost_amount IS NOT NULL;

CREATE INDEX generation_receipts_by_cap_day ON generation_receipts (cap_day, user_id, cap_micros);
CREATE INDEX generation_receipts_by_time ON generation_receipts (created_at);
