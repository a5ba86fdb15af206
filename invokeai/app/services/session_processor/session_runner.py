"""Runs the graph of one item.

Nodes that are coroutines run side by side on the loop; plain functions run one after the other in a worker thread.
The first node that fails ends the session. Every node that began is told as complete or as the session's error.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import traceback
import uuid
from collections import deque
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from invokeai.app.services.events.events import EventService
from invokeai.app.services.invocation_cache.invocation_cache import InvocationCache, cache_key
from invokeai.app.services.services import Services
from invokeai.app.services.session_queue.batch_plans import BatchPlan
from invokeai.app.services.session_queue.queue_events import (
    InvocationCompleteEvent,
    InvocationErrorEvent,
    InvocationProgressEvent,
    InvocationStartedEvent,
)
from invokeai.app.services.shared.errors import InvalidInput
from invokeai.app.services.shared.graph_execution import GraphRun, PreparedNode
from invokeai.app.services.shared.graph_plan import GraphPlan
from invokeai.app.services.shared.graph_state import graph_text
from invokeai.app.services.shared.invocation_context import AsyncInvocationContext, InvocationContext
from invokeai.app.services.shared.invocation_scope import CancelFlag, InvocationScope, ItemFacts, ProgressImage
from invokeai.app.services.workflow_records.call_compatibility import call_reason, compatibility
from invokeai.app.services.workflow_records.workflow_graph import graph_of

MAX_CALL_DEPTH = 4
CALL_NAMESPACE = uuid.UUID("7d1b9c1e-2f0a-5d7f-9a53-52c4f6a7c3d1")


class CalledWorkflowError(Exception):
    """A saved workflow that a node called has failed."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a session failed; `event` tells the node, if it was a node."""

    error_type: str
    message: str
    traceback: str
    event: InvocationErrorEvent | None = None


@dataclass(slots=True)
class NodeTools:
    """What every session needs to run its nodes."""

    services: Services
    events: EventService
    cache: InvocationCache
    threads: Executor


class SessionRunner:
    """One session on its way."""

    def __init__(
        self, tools: NodeTools, item: ItemFacts, batch: BatchPlan, run: GraphRun, calls: tuple[str, ...] = ()
    ) -> None:
        """`calls` are the ids of the saved workflows that this session runs within, outermost first."""
        self.run = run
        self.cancel = CancelFlag()
        self._tools = tools
        self._item = item
        self._batch = batch
        self._calls = calls
        self._facts = asdict(item)
        self._graph_text: str | None = None

    async def run_all(self) -> Failure | None:
        """Run to the end; why it failed, or None. Cancel the task to stop it at the next await."""
        lane: deque[PreparedNode] = deque()
        tasks: set[asyncio.Task[Failure | None]] = set()
        lane_task: asyncio.Task[Failure | None] | None = None
        try:
            while True:
                for prepared in self.run.take_ready():
                    if is_async(type(prepared.node)):
                        tasks.add(asyncio.create_task(self._run_node(prepared)))
                    else:
                        lane.append(prepared)
                if lane and not tasks:
                    failure = await self._run_node(lane.popleft())
                    if failure:
                        return failure
                    continue
                if lane and lane_task not in tasks:
                    lane_task = asyncio.create_task(self._run_node(lane.popleft()))
                    tasks.add(lane_task)
                if not tasks:
                    return None
                done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                failures = [failure for task in done if (failure := task.result())]
                if failures:
                    return failures[0]
        finally:
            for task in tasks:
                task.cancel()

    async def _run_node(self, prepared: PreparedNode) -> Failure | None:
        """Run one node and take in its output; why it failed, or None."""
        shown = self.run.shown
        try:
            node = self.run.resolve(prepared)
            self._tell_started(prepared)
            self.run.check(prepared, node)
            output = await self._output(prepared, node)
            result = output.model_dump(mode="json", warnings=False)
        except Exception as error:  # whatever a node raises is the session's failure
            if prepared.id not in shown:
                self.run.show(prepared)
                self._tell_started(prepared)
            return self._failure(prepared, error)
        self._tools.events.publish(InvocationCompleteEvent(**self._about(prepared), result=result))
        self.run.complete(prepared, output)
        return None

    async def _output(self, prepared: PreparedNode, node: Any) -> Any:
        if not node.use_cache:
            return await self._invoke(prepared, node)
        key = cache_key(self.run.shown[prepared.id])
        output = self._tools.cache.get(key)
        if output is None:
            output = await self._invoke(prepared, node)
            self._tools.cache.put(key, output)
        return output

    async def _invoke(self, prepared: PreparedNode, node: Any) -> Any:
        scope = InvocationScope(
            services=self._tools.services,
            item=self._item,
            invocation=node,
            source_id=prepared.source_id,
            graph_json=self._graph_json,
            workflow_json=self._batch.workflow,
            progress=self._progress_sink(prepared),
            call_workflow=partial(self._call_workflow, prepared),
            cancel=self.cancel,
        )
        if is_async(type(node)):
            return await node.invoke(AsyncInvocationContext(scope))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._tools.threads, node.invoke, InvocationContext(scope, loop))

    async def _call_workflow(self, prepared: PreparedNode, workflow_id: str, inputs: dict[str, Any]) -> dict[str, Any]:
        """Run a saved workflow within this item; what its `workflow_return` node gave."""
        if workflow_id in self._calls:
            raise InvalidInput("A workflow cannot call itself, not even through another one.")
        if len(self._calls) >= MAX_CALL_DEPTH:
            raise InvalidInput(f"Workflows can call each other {MAX_CALL_DEPTH} levels deep, not deeper.")
        workflow = (await self._tools.services.workflows.get(workflow_id)).workflow
        verdict = compatibility(call_reason(workflow))
        if not verdict.is_callable:
            raise InvalidInput(f"The workflow {workflow.name!r} cannot be called. {verdict.message or ''}".rstrip())
        plan = BatchPlan(GraphPlan(graph_of(workflow, inputs)), workflow.model_dump_json(exclude={"id"}))
        run = GraphRun(plan.plan, str(uuid.uuid5(CALL_NAMESPACE, f"{self.run.session_id}:{prepared.id}")))
        called = SessionRunner(self._tools, self._item, plan, run, (*self._calls, workflow_id))
        called.cancel = self.cancel
        failure = await called.run_all()
        if failure:
            if failure.event:
                self._tools.events.publish(failure.event)
            raise CalledWorkflowError(f"The workflow {workflow.name!r} failed: {failure.message}")
        returned = [copy for key, copies in run.by_source.items() if is_return(run, key) for copy in copies]
        if len(returned) != 1:
            raise InvalidInput(f"The workflow {workflow.name!r} gives its results {len(returned)} times, not once.")
        values: dict[str, Any] = run.results[returned[0].id].values
        return values

    def _graph_json(self) -> str:
        if self._graph_text is None:
            self._graph_text = graph_text(self.run)
        return self._graph_text

    def _about(self, prepared: PreparedNode) -> dict[str, Any]:
        return {
            **self._facts,
            "invocation": self.run.shown[prepared.id],
            "invocation_source_id": prepared.source_id,
        }

    def _tell_started(self, prepared: PreparedNode) -> None:
        self._tools.events.publish(InvocationStartedEvent(**self._about(prepared)))

    def _progress_sink(self, prepared: PreparedNode) -> Any:
        loop, thread = asyncio.get_running_loop(), threading.get_ident()

        def tell(message: str, percentage: float | None, image: ProgressImage | None) -> None:
            if not self.cancel.is_set:
                shown = asdict(image) if image else None
                about = self._about(prepared)
                self._tools.events.publish(
                    InvocationProgressEvent(**about, message=message, percentage=percentage, image=shown)
                )

        def sink(message: str, percentage: float | None, image: ProgressImage | None) -> None:
            if threading.get_ident() == thread:
                tell(message, percentage, image)
            else:
                loop.call_soon_threadsafe(tell, message, percentage, image)

        return sink

    def _failure(self, prepared: PreparedNode, error: Exception) -> Failure:
        kind, message = type(error).__name__, str(error) or type(error).__name__
        trace = "".join(traceback.format_exception(error))
        self.run.fail(prepared, f"{kind}: {message}")
        event = InvocationErrorEvent(
            **self._about(prepared), error_type=kind, error_message=message, error_traceback=trace
        )
        return Failure(kind, message, trace, event)


def is_return(run: GraphRun, source_id: str) -> bool:
    """Whether a submitted node gives the results of its workflow."""
    return run.plan.kinds[source_id] == "workflow_return"


_ASYNC: dict[type, bool] = {}


def is_async(cls: type[Any]) -> bool:
    """Whether a node class is a coroutine."""
    found = _ASYNC.get(cls)
    if found is None:
        found = _ASYNC[cls] = inspect.iscoroutinefunction(cls.invoke)
    return found
