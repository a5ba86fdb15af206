"""The OpenAPI document: the form that the node editor parses, and how it is served."""

import gzip
from typing import Literal

import httpx
import orjson
from fastapi import FastAPI

from invokeai.app.api.openapi import add_openapi_route, build_document
from invokeai.app.invocations import load_core_invocations
from invokeai.app.invocations.fields import FieldKind
from invokeai.app.invocations.node_schemas import NodeSchemas
from invokeai.invocation_api import (
    BaseInvocation,
    ImageField,
    Input,
    InputField,
    IntegerOutput,
    InvocationContext,
    InvocationRegistry,
    ModelIdentifierField,
    ModelType,
    UIComponent,
    WithBoard,
    WithMetadata,
    invocation,
)

load_core_invocations()


@invocation("schema_probe", title="Schema Probe", tags=["a", "b"], category="tests", version="2.0.1")
class SchemaProbeInvocation(BaseInvocation, WithMetadata, WithBoard):
    """A node for these tests."""

    image: ImageField = InputField(description="Needed.")
    images: list[ImageField] = InputField(min_length=1, description="Some.")
    size: int = InputField(default=8, ge=8, lt=64, multiple_of=8, description="Bounded.")
    text: str | None = InputField(default=None, ui_component=UIComponent.Textarea, ui_order=3, description="Text.")
    mode: Literal["a", "b"] = InputField(default="a", ui_choice_labels={"a": "A"}, input=Input.Direct, description="M.")
    model: ModelIdentifierField = InputField(ui_model_type=ModelType.Main, description="A model.")

    def invoke(self, context: InvocationContext) -> IntegerOutput:
        """The size."""
        return IntegerOutput(value=self.size)


def test_a_node_has_what_the_editor_needs() -> None:
    schema = NodeSchemas().schemas["SchemaProbeInvocation"]
    properties = schema.pop("properties")
    assert schema == {
        "class": "invocation",
        "title": "Schema Probe",
        "type": "object",
        "node_pack": "tests",
        "version": "2.0.1",
        "classification": "stable",
        "required": ["type", "id"],
        "output": {"$ref": "#/components/schemas/IntegerOutput"},
        "description": "A node for these tests.",
        "category": "tests",
        "tags": ["a", "b"],
    } | {"node_pack": SchemaProbeInvocation.UIConfig.node_pack}
    assert properties["type"] == {
        "const": "schema_probe",
        "default": "schema_probe",
        "field_kind": "node_attribute",
        "title": "type",
        "type": "string",
    }
    assert properties["use_cache"]["default"] is True
    assert properties["image"] == {
        "anyOf": [{"$ref": "#/components/schemas/ImageField"}, {"type": "null"}],
        "default": None,
        "description": "Needed.",
        "field_kind": "input",
        "input": "any",
        "orig_required": True,
    }
    assert properties["images"]["anyOf"][0]["minItems"] == 1
    assert properties["size"] == {
        "type": "integer",
        "minimum": 8,
        "exclusiveMaximum": 64,
        "multipleOf": 8,
        "title": "Size",
        "default": 8,
        "description": "Bounded.",
        "field_kind": "input",
        "input": "any",
        "orig_required": False,
        "orig_default": 8,
    }
    assert properties["text"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert (properties["text"]["ui_component"], properties["text"]["ui_order"]) == ("textarea", 3)
    assert properties["mode"]["enum"] == ["a", "b"] and properties["mode"]["ui_choice_labels"] == {"a": "A"}
    assert properties["model"]["ui_model_type"] == ["main"]
    assert (properties["metadata"]["input"], properties["board"]["input"]) == ("connection", "direct")
    assert {properties[name]["field_kind"] for name in ("metadata", "board")} == {FieldKind.Internal.value}


def test_every_reference_of_the_document_resolves() -> None:
    schemas = build_document(FastAPI())["components"]["schemas"]

    def references(value: object) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"].rsplit("/", 1)[-1]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*(references(member) for member in value.values()))
        return set().union(*map(references, value)) if isinstance(value, list) else set()

    assert references(schemas) <= set(schemas)
    for name, schema in schemas.items():
        if schema.get("class") == "invocation":
            assert schema["properties"]["type"]["default"], name
            assert "use_cache" in schema["properties"], name
            assert schemas[schema["output"]["$ref"].rsplit("/", 1)[-1]]["class"] == "output", name
    output_map = schemas["InvocationOutputMap"]["properties"]
    assert set(output_map) == set(InvocationRegistry.invocation_types())


def test_events_are_described_with_unions_of_nodes_and_outputs() -> None:
    import invokeai.app.services.session_queue.queue_events
    import invokeai.app.services.workflow_records.workflow_events  # noqa: F401

    schemas = build_document(FastAPI())["components"]["schemas"]
    assert {"InvocationCompleteEvent", "QueueItemStatusChangedEvent", "WorkflowCreatedEvent"} <= set(schemas)
    complete = schemas["InvocationCompleteEvent"]["properties"]
    assert {"$ref": "#/components/schemas/AddInvocation"} in complete["invocation"]["oneOf"]
    assert {"$ref": "#/components/schemas/IntegerOutput"} in complete["result"]["oneOf"]


async def test_the_document_is_served_plain_and_gzipped_and_made_once_per_registry_state() -> None:
    app = FastAPI(openapi_url=None)
    add_openapi_route(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        plain = await client.get("/openapi.json", headers={"accept-encoding": "identity"})
        packed = await client.send(client.build_request("GET", "/openapi.json"), stream=True)
        raw = b"".join([part async for part in packed.aiter_raw()])
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(raw) == plain.content

        before = InvocationRegistry.revision
        again = await client.get("/openapi.json", headers={"accept-encoding": "identity"})
        assert again.content == plain.content and InvocationRegistry.revision == before

        invocation("schema_probe_late")(type("LateInvocation", (SchemaProbeInvocation,), {"__doc__": "Late."}))
        late = orjson.loads((await client.get("/openapi.json")).content)
        assert "LateInvocation" in late["components"]["schemas"]
        InvocationRegistry._invocations.pop("schema_probe_late")
