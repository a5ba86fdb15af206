-- Calls that a server which is gone has written down and not sent are looked for by their age.
CREATE INDEX generation_receipts_never_sent ON generation_receipts (updated_at) WHERE state = 'prepared';
