-- Which run of a call has sent it: of two servers that hold the same call, only one may.
ALTER TABLE generation_receipts ADD COLUMN sent_by TEXT;
