"""Whether a saved workflow can run as a node of another one: exactly one `workflow_return`, and no batch nodes."""

from invokeai.app.services.workflow_records.workflow_models import (
    WorkflowCallCompatibility,
    WorkflowCallCompatibilityReason,
    WorkflowWithoutID,
)

_MESSAGES = {
    WorkflowCallCompatibilityReason.MissingWorkflowReturn: "To be called, a workflow needs one workflow_return node.",
    WorkflowCallCompatibilityReason.MultipleWorkflowReturn: (
        "To be called, a workflow may have only one workflow_return node."
    ),
    WorkflowCallCompatibilityReason.UnsupportedBatchInput: "A workflow with batch nodes cannot be called.",
}


def call_reason(workflow: WorkflowWithoutID) -> WorkflowCallCompatibilityReason:
    """The verdict on a workflow, from its nodes alone."""
    types = [str(data.get("type")) for node in workflow.nodes if isinstance(data := node.get("data"), dict)]
    returns = types.count("workflow_return")
    if returns == 0:
        return WorkflowCallCompatibilityReason.MissingWorkflowReturn
    if returns > 1:
        return WorkflowCallCompatibilityReason.MultipleWorkflowReturn
    if any(node_type.endswith("_batch") for node_type in types):
        return WorkflowCallCompatibilityReason.UnsupportedBatchInput
    return WorkflowCallCompatibilityReason.Ok


def compatibility(reason: str) -> WorkflowCallCompatibility:
    """The verdict as the API answers it."""
    known = WorkflowCallCompatibilityReason(reason)
    return WorkflowCallCompatibility(
        is_callable=known is WorkflowCallCompatibilityReason.Ok, reason=known, message=_MESSAGES.get(known)
    )
