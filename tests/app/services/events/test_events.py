"""The bus: every listener hears every event, whatever another one does."""

import asyncio

import pytest

from invokeai.app.services.events.events import Event, EventService
from invokeai.app.services.workflow_records.workflow_events import WorkflowCreated

TOLD = WorkflowCreated(workflow_id="w", user_id="u", is_public=False)


def test_a_listener_that_fails_keeps_nothing_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event] = []

    def broken(event: Event) -> None:
        raise KeyError(event.event_name)

    events = EventService()
    for listener in (heard.append, broken, heard.append):
        events.subscribe(listener)
    events.publish(TOLD)
    assert heard == [TOLD, TOLD]
    assert "A listener failed on workflow_created" in caplog.text and "in broken" in caplog.text


def test_being_canceled_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    def canceled(event: Event) -> None:
        raise asyncio.CancelledError

    events = EventService()
    events.subscribe(canceled)
    with pytest.raises(asyncio.CancelledError):
        events.publish(TOLD)
    assert caplog.text == ""


def test_who_has_left_hears_nothing_more() -> None:
    heard: list[Event] = []
    events = EventService()
    leave = events.subscribe(heard.append)
    leave()
    events.publish(TOLD)
    assert heard == []
