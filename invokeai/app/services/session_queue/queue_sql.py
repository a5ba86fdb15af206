"""The queue's SQL. Every change of status raises `status_sequence`, and is made only from the status it expects."""

EVENT_COLUMNS = """
  item_id, queue_id, batch_id, session_id, user_id, origin, destination, status, status_sequence,
  error_type, error_message, error_traceback, created_at, updated_at, started_at, completed_at"""
"""What a status event needs of an item."""

CLAIM_COLUMNS = EVENT_COLUMNS + ", priority, field_values"

SUMMARY_COLUMNS = """
  item_id, created_at, status, device, started_at, completed_at, origin, destination, batch_id, user_id, field_values"""

ITEM_COLUMNS = """
  s.item_id, s.status, s.status_sequence, s.priority, s.batch_id, s.origin, s.destination, s.session_id,
  s.error_type, s.error_message, s.error_traceback, s.created_at, s.updated_at, s.started_at, s.completed_at,
  s.queue_id, s.user_id, s.field_values, s.retried_from_item_id, s.device, s.session, b.graph, b.workflow"""

# Putting in

INSERT_BATCH = """
INSERT INTO batches (batch_id, queue_id, user_id, origin, destination, priority, graph, workflow, created_at)
VALUES (?1, ?2, ?3, ?4, ?5, CASE WHEN ?6 THEN
  (SELECT COALESCE(MAX(priority), 0) + 1 FROM session_queue WHERE status = 'pending' AND queue_id = ?2)
  ELSE 0 END, ?7, ?8, ?9)
ON CONFLICT (batch_id) DO UPDATE SET graph =
  CASE WHEN batches.created_at = excluded.created_at AND batches.graph = excluded.graph THEN batches.graph END"""
"""A batch; one that is to come first gets a priority above all that wait.

The same write again, after an answer that got lost, changes nothing; another batch of that id breaks NOT NULL."""

INSERT_ITEMS = """
INSERT INTO session_queue (queue_id, batch_id, session_id, user_id, origin, destination, priority, field_values,
  created_at, updated_at)
SELECT b.queue_id, b.batch_id, j.value ->> 's', b.user_id, b.origin, b.destination, b.priority, j.value ->> 'f', ?3, ?3
FROM json_each(?1) AS j CROSS JOIN batches AS b
WHERE b.batch_id = ?2
ORDER BY j.key
LIMIT MAX(0, ?4 - (SELECT COALESCE(SUM(total), 0) FROM session_queue_counts
  WHERE status = 'pending' AND queue_id = ?5))
ON CONFLICT (session_id) DO NOTHING"""
"""As many of the items as the queue has room for."""

DELETE_BATCH_WITHOUT_ITEMS = """
DELETE FROM batches WHERE batch_id = ?
  AND NOT EXISTS (SELECT 1 FROM session_queue AS s WHERE s.batch_id = batches.batch_id)"""

SELECT_BATCH_ITEMS = """
SELECT s.item_id, s.priority FROM session_queue AS s WHERE s.batch_id = ? ORDER BY s.item_id DESC"""

INSERT_RETRIES = """
INSERT INTO session_queue (queue_id, batch_id, session_id, user_id, origin, destination, priority, field_values,
  retried_from_item_id, created_at, updated_at)
SELECT s.queue_id, s.batch_id, j.value ->> 's', s.user_id, s.origin, s.destination, s.priority, s.field_values,
  s.item_id, ?3, ?3
FROM json_each(?1) AS j JOIN session_queue AS s ON s.item_id = j.value ->> 'i'
WHERE s.queue_id = ?2 AND s.status IN ('failed', 'canceled')
ORDER BY j.key
ON CONFLICT (session_id) DO NOTHING"""
"""New items with the batch and values of ended ones; only of those that did not end well.

The same write again, after an answer that got lost, changes nothing."""

SELECT_RETRIES = """
SELECT s.retried_from_item_id, s.user_id FROM json_each(?) AS j CROSS JOIN session_queue AS s
WHERE s.session_id = j.value ->> 's' ORDER BY j.key"""
"""What became of the ids that new items were to have."""

# Taking and ending

CLAIM = f"""
UPDATE session_queue SET status = 'in_progress', status_sequence = status_sequence + 1, attempts = attempts + 1,
  worker_id = ?1, lease_expires_at = ?2, device = ?3, started_at = ?4, updated_at = ?4
WHERE item_id IN (SELECT item_id FROM session_queue WHERE status = 'pending' ORDER BY priority DESC, item_id LIMIT ?5)
RETURNING {CLAIM_COLUMNS}"""
"""Take the next items, highest priority first, oldest first."""

FINISH = """
UPDATE session_queue SET status = j.value ->> 'status', status_sequence = status_sequence + 1,
  session = j.value ->> 'session', error_type = j.value ->> 'error_type',
  error_message = j.value ->> 'error_message', error_traceback = j.value ->> 'error_traceback',
  completed_at = ?2, updated_at = ?2, worker_id = NULL, lease_expires_at = NULL
FROM json_each(?1) AS j
WHERE session_queue.item_id = j.value ->> 'item_id' AND session_queue.status = 'in_progress'
  AND session_queue.worker_id = ?3"""
"""End items that this worker still holds; one that was canceled or taken over meanwhile stays as it is."""

SELECT_FINISHED = f"""
SELECT {EVENT_COLUMNS} FROM session_queue
WHERE item_id IN (SELECT value FROM json_each(?1)) AND status IN ('completed', 'failed')"""
"""Those of a turn's items that ended, by this turn or by the same one before, whose answer got lost."""

SAVE_SESSION = """
UPDATE session_queue SET session = ? WHERE item_id = ? AND status = 'canceled' AND session IS NULL"""
"""What a canceled item had done by then."""

INSERT_PART = "INSERT OR REPLACE INTO session_parts (item_id, part, body) VALUES (?, ?, ?)"
SELECT_PARTS = "SELECT body FROM session_parts WHERE item_id = ? ORDER BY part"

SELECT_NEW_BATCHES = """
SELECT batch_id, graph, workflow FROM batches
WHERE batch_id IN (SELECT DISTINCT batch_id FROM session_queue WHERE status = 'in_progress' AND worker_id = ?1)
  AND batch_id NOT IN (SELECT value FROM json_each(?2))"""
"""Graphs and workflows of the worker's items, without those that it has."""

COUNT_BATCHES = """
SELECT batch_id, status, COUNT(*) AS total FROM session_queue
WHERE batch_id IN (SELECT value FROM json_each(?1)) OR batch_id IN (
  SELECT batch_id FROM session_queue WHERE status = 'in_progress' AND worker_id = ?2)
GROUP BY batch_id, status"""

RENEW_LEASES = """
UPDATE session_queue SET lease_expires_at = ?2
WHERE status = 'in_progress' AND worker_id = ?1 AND item_id IN (SELECT value FROM json_each(?3))
RETURNING item_id"""
"""One heartbeat for all items that run at a worker; what does not come back is not its own any more."""

HAND_BACK = f"""
UPDATE session_queue SET status = 'pending', status_sequence = status_sequence + 1, attempts = attempts - 1,
  worker_id = NULL, lease_expires_at = NULL, device = NULL, started_at = NULL, updated_at = ?2
WHERE status = 'in_progress' AND worker_id = ?1
RETURNING {EVENT_COLUMNS}"""
"""Everything a worker holds waits again, as if it had not been taken."""

HAND_BACK_UNHEARD = """
UPDATE session_queue SET status = 'pending', status_sequence = status_sequence - 1, attempts = attempts - 1,
  worker_id = NULL, lease_expires_at = NULL, device = NULL, started_at = NULL, updated_at = ?2
WHERE status = 'in_progress' AND worker_id = ?1 AND item_id NOT IN (SELECT value FROM json_each(?3))"""
"""Items that a worker took by a turn whose answer got lost, so that it does not know them, were not taken."""

SELECT_WORKERS = "SELECT DISTINCT worker_id FROM session_queue WHERE status = 'in_progress'"

RESCUE_FAILED = f"""
UPDATE session_queue SET status = 'failed', status_sequence = status_sequence + 1, error_type = 'InterruptedError',
  error_message = 'The server stopped ' || attempts || ' times while this item ran; it is not tried again by itself.',
  worker_id = NULL, lease_expires_at = NULL, completed_at = ?1, updated_at = ?1
WHERE status = 'in_progress' AND attempts >= ?3
  AND (lease_expires_at < ?1 OR worker_id IN (SELECT value FROM json_each(?2)))
RETURNING {EVENT_COLUMNS}"""
"""Give up items whose workers died again and again."""

RESCUE = f"""
UPDATE session_queue SET status = 'pending', status_sequence = status_sequence + 1,
  worker_id = NULL, lease_expires_at = NULL, device = NULL, started_at = NULL, updated_at = ?1
WHERE status = 'in_progress' AND (lease_expires_at < ?1 OR worker_id IN (SELECT value FROM json_each(?2)))
RETURNING {EVENT_COLUMNS}"""
"""Items whose worker is gone wait again."""

# Canceling and deleting

_CANCEL = """
UPDATE session_queue SET status = 'canceled', status_sequence = status_sequence + 1,
  worker_id = NULL, lease_expires_at = NULL, completed_at = ?1, updated_at = ?1
WHERE queue_id = ?2 AND """

CANCEL_ITEM = f"{_CANCEL} item_id = ?3 AND status IN ('pending', 'in_progress', 'waiting') RETURNING {EVENT_COLUMNS}"
CANCEL_BATCHES = f"""{_CANCEL} batch_id IN (SELECT value FROM json_each(?3))
  AND status IN ('pending', 'in_progress', 'waiting') RETURNING {EVENT_COLUMNS}"""
CANCEL_DESTINATION = f"""{_CANCEL} destination = ?3
  AND status IN ('pending', 'in_progress', 'waiting') RETURNING {EVENT_COLUMNS}"""
CANCEL_PENDING = f"{_CANCEL} status IN ('pending', 'waiting') RETURNING {EVENT_COLUMNS}"
CANCEL_RUNNING = f"{_CANCEL} status IN ('in_progress', 'waiting') RETURNING {EVENT_COLUMNS}"

DELETE_ALL = "DELETE FROM session_queue WHERE queue_id = ?"
DELETE_ENDED = "DELETE FROM session_queue WHERE queue_id = ? AND status IN ('completed', 'failed', 'canceled')"
DELETE_PENDING = "DELETE FROM session_queue WHERE queue_id = ? AND status = 'pending' RETURNING item_id, user_id"
DELETE_DESTINATION = "DELETE FROM session_queue WHERE queue_id = ? AND destination = ?"
DELETE_ITEM = "DELETE FROM session_queue WHERE queue_id = ? AND item_id = ?"
DELETE_OLD = """
DELETE FROM session_queue WHERE item_id IN (
  SELECT item_id FROM session_queue WHERE status IN ('completed', 'failed', 'canceled')
  ORDER BY item_id DESC LIMIT -1 OFFSET ?)"""
DELETE_EMPTY_BATCHES = """
DELETE FROM batches WHERE queue_id = ?
  AND NOT EXISTS (SELECT 1 FROM session_queue AS s WHERE s.batch_id = batches.batch_id)"""

# Reading

SELECT_COUNTS = "SELECT queue_id, user_id, status, total FROM session_queue_counts WHERE total > 0"
SELECT_RUNNING = """
SELECT item_id, batch_id, session_id, queue_id FROM session_queue WHERE status = 'in_progress'
ORDER BY priority DESC, item_id"""
COUNT_BATCH = """
SELECT b.batch_id, b.origin, b.destination, s.status, COUNT(s.item_id) AS total
FROM batches AS b LEFT JOIN session_queue AS s ON s.batch_id = b.batch_id
WHERE b.batch_id = ?2 AND b.queue_id = ?1 GROUP BY b.batch_id, b.origin, b.destination, s.status"""
COUNT_DESTINATION = """
SELECT status, COUNT(*) AS total FROM session_queue WHERE queue_id = ? AND destination = ? GROUP BY status"""
SELECT_ITEM = f"""
SELECT {ITEM_COLUMNS} FROM session_queue AS s JOIN batches AS b ON b.batch_id = s.batch_id
WHERE s.queue_id = ?1 AND s.item_id = ?2"""
SELECT_ITEMS = f"""
SELECT {ITEM_COLUMNS} FROM session_queue AS s JOIN batches AS b ON b.batch_id = s.batch_id
WHERE s.queue_id = ?1 AND s.item_id IN (SELECT value FROM json_each(?2))"""
SELECT_ALL_ITEMS = f"""
SELECT {ITEM_COLUMNS} FROM session_queue AS s JOIN batches AS b ON b.batch_id = s.batch_id
WHERE s.queue_id = ?1 AND (?2 IS NULL OR s.destination = ?2) ORDER BY s.priority DESC, s.item_id"""
SELECT_CURRENT = f"""
SELECT {ITEM_COLUMNS} FROM session_queue AS s JOIN batches AS b ON b.batch_id = s.batch_id
WHERE s.queue_id = ?1 AND s.status = 'in_progress' ORDER BY s.priority DESC, s.item_id LIMIT 1"""
SELECT_NEXT = f"""
SELECT {ITEM_COLUMNS} FROM session_queue AS s JOIN batches AS b ON b.batch_id = s.batch_id
WHERE s.queue_id = ?1 AND s.status = 'pending' ORDER BY s.priority DESC, s.item_id LIMIT 1"""
SELECT_SUMMARIES = f"""
SELECT {SUMMARY_COLUMNS} FROM session_queue WHERE queue_id = ?1 AND item_id IN (SELECT value FROM json_each(?2))"""
SELECT_IDS_NEWEST = "SELECT item_id FROM session_queue WHERE queue_id = ? ORDER BY created_at DESC, item_id"
SELECT_IDS_OLDEST = "SELECT item_id FROM session_queue WHERE queue_id = ? ORDER BY created_at, item_id"
SELECT_HAS_PENDING = "SELECT EXISTS (SELECT 1 FROM session_queue WHERE status = 'pending') AS found"
SELECT_HAS_EXPIRED = """
SELECT EXISTS (SELECT 1 FROM session_queue WHERE status = 'in_progress' AND lease_expires_at < ?) AS found"""
