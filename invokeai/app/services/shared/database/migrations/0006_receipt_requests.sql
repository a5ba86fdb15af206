-- What was asked for, so that a picture whose session is gone can still be stored with its prompt.
ALTER TABLE generation_receipts ADD COLUMN request TEXT;

CREATE INDEX generation_receipts_on_the_way ON generation_receipts (updated_at) WHERE state IN ('sent', 'answered');
