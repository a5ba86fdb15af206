"""What the receipts of paid calls say to the database. A step that spends money is a condition in the row itself."""

from invokeai.app.services.image_providers.spend_caps import WITHIN_CAPS


def _node(alias: str) -> str:
    """The node of a call, without the model (`node>model`) that a fallback names there."""
    return f"substr({alias}.node_id || '>', 1, instr({alias}.node_id || '>', '>'))"


NO_ITEM = """NOT EXISTS (SELECT 1 FROM session_queue q
    WHERE q.session_id = r.session_id AND q.status IN ('pending', 'in_progress', 'waiting'))"""
"""No item will run the call again."""
INSERT = f"""INSERT INTO generation_receipts
  (receipt_id, session_id, node_id, call_index, user_id, provider_id, model_id, request_digest, request, state,
   created_at, updated_at, cap_micros, cap_day)
  SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, 'prepared', ?, ?, ?, ? WHERE {WITHIN_CAPS} ON CONFLICT DO NOTHING"""
"""A new receipt and its hold on the caps, in one statement; no row where the caps have no room."""
REOPEN = f"""UPDATE generation_receipts SET state = 'prepared', cap_micros = ?, cap_day = ?, updated_at = ?,
  provider_ref = NULL, raw_answer = NULL
  WHERE receipt_id = ? AND state = 'failed' AND {WITHIN_CAPS}"""
"""A call that failed at no cost is about to be sent again: it takes a new hold, or stays failed."""
ASK_ANEW = """UPDATE generation_receipts SET provider_id = ?, model_id = ?, request_digest = ?, request = ?
  WHERE receipt_id = ? AND state = 'prepared'"""
"""What has not left may be asked of another model, in other words."""
SELECT = "SELECT * FROM generation_receipts WHERE receipt_id = ?"
UNDER_WAY = """SELECT receipt_id FROM generation_receipts WHERE receipt_id IN (SELECT value FROM json_each(?))
  AND state NOT IN ('prepared', 'failed')"""
LEFT_OVER = f"""SELECT r.*, (SELECT COALESCE(SUM(e.images), 0) FROM generation_receipts e
    WHERE e.session_id = r.session_id AND e.call_index < r.call_index
    AND {_node("e")} = {_node("r")}) AS images_before
  FROM generation_receipts r WHERE r.state IN ('sent', 'answered') AND r.updated_at <= ?1
  AND (?2 IS NULL OR (r.error IS NOT NULL AND r.created_at > ?2)) AND {NO_ITEM}
  ORDER BY r.created_at LIMIT ?3"""
"""Calls that have left and that nobody follows up: canceled, or asked for by a program that is gone. From a time on
only those that ended with a picture to come: a call that is under way has no error."""
OLD_ANSWERS = f"""SELECT r.receipt_id, r.raw_answer FROM generation_receipts r
  WHERE r.state = 'stored' AND r.raw_answer IS NOT NULL AND r.updated_at <= ? AND {NO_ITEM}
  ORDER BY r.created_at LIMIT ?"""
"""Answers whose pictures are stored, and whose item will not run again."""
FORGET_ANSWERS = """UPDATE generation_receipts SET raw_answer = NULL
  WHERE state = 'stored' AND receipt_id IN (SELECT value FROM json_each(?))"""
CLAIM = f"""UPDATE generation_receipts AS r
  SET state = 'sent', sent_by = ?, sent_with = ?, provider_id = ?, model_id = ?,
  provider_ref = COALESCE(?, provider_ref), error = NULL, updated_at = ?
  WHERE receipt_id = ? AND (state = 'prepared' OR (state = 'sent' AND sent_by = ?))
  AND NOT EXISTS (SELECT 1 FROM generation_receipts o WHERE o.session_id = r.session_id
    AND o.call_index = r.call_index AND o.receipt_id <> r.receipt_id AND o.state NOT IN ('prepared', 'failed')
    AND {_node("o")} = {_node("r")})"""
"""Of several servers that hold the same call (one had lost its lease), the first one sends it, with whichever of the
models that it may use (`node>model`). Safe to repeat."""
GIVE_UP = f"""UPDATE generation_receipts AS r SET state = 'failed', cap_micros = 0, error = ?, updated_at = ?
  WHERE r.state = 'prepared' AND r.updated_at <= ? AND {NO_ITEM}"""
"""Calls that were written down and not sent, by a server that is gone, and whose item will not run again. If it lives
all the same, it cannot send them any more without a new hold."""
RELEASE = """UPDATE generation_receipts SET state = 'failed', cap_micros = 0, updated_at = ?
  WHERE receipt_id = ? AND state = 'prepared'"""
"""Another model makes the pictures of this call, so it will not be sent and holds nothing."""
UPDATE = """UPDATE generation_receipts SET state = ?1,
  provider_ref = CASE ?1 WHEN 'prepared' THEN NULL ELSE COALESCE(?2, provider_ref) END,
  raw_answer = CASE ?1 WHEN 'prepared' THEN NULL ELSE COALESCE(?3, raw_answer) END, error = ?4, updated_at = ?5,
  cap_micros = CASE WHEN ?1 IN ('failed', 'refused') THEN 0 ELSE cap_micros END
  WHERE receipt_id = ?6 AND state <> 'stored' AND (?7 IS NULL OR sent_by = ?7 OR state IN ('prepared', 'failed'))"""
"""What is stored stays so, whatever a server that comes late knows; and a run that has not sent the call, or whose word
comes a second time after another one has sent it, changes nothing of it."""
BEAT = """UPDATE generation_receipts SET updated_at = ?
  WHERE receipt_id IN (SELECT value FROM json_each(?)) AND state IN ('prepared', 'sent')"""
"""Their server lives."""
ON_ITS_WAY = f"""SELECT 1 FROM generation_receipts r WHERE r.session_id = ? AND r.call_index = ? AND r.state = 'sent'
  AND {_node("r")} = ? || '>' AND r.updated_at > ? LIMIT 1"""
"""A call that a living server has sent, with whichever of the models that it may use."""
ACCEPTED = """SELECT 1 FROM generation_receipts WHERE provider_id = ? AND sent_with = ?
  AND state IN ('answered', 'stored', 'refused') LIMIT 1"""
"""A key that the provider has accepted for a call."""
UPDATE_COST = """UPDATE generation_receipts SET state = ?, cost_amount = ?, cost_currency = ?, cost_kind = ?,
  cost_micros = ?, cap_micros = COALESCE(?, cap_micros), images = ?, updated_at = ? WHERE receipt_id = ?"""
"""Pictures are stored. What the caps hold becomes the true cost, and stays the estimate where none is known."""
