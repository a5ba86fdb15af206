-- Which of several keys a call has left with: a mark to tell them apart by, from which no key can be had.
ALTER TABLE generation_receipts ADD COLUMN sent_with TEXT;
