"""`/openapi.json`: the HTTP operations with the schemas of all loaded nodes, events and outputs.

The bytes are made once per state of the node registry, off the event loop, and kept plain and gzipped: the web UI asks
for them at every page load. Unions of all nodes are written here, so that pydantic never builds one.
"""

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from invokeai.app.api.compression import gzip_bytes
from invokeai.app.api.openapi_cache import OpenApiCache, document_name
from invokeai.app.invocations.field_schemas import REF, Schema
from invokeai.app.invocations.node_schemas import NodeSchemas
from invokeai.app.invocations.registry import InvocationRegistry
from invokeai.app.services.events.events import Event


class Document(NamedTuple):
    """The document as it goes out, and the registry revision that it shows."""

    revision: int
    plain: bytes
    gzipped: bytes


def build_document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of `app` as a dictionary."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version=app.openapi_version,
        description="The HTTP interface of the studio.",
        routes=app.routes,
        separate_input_output_schemas=app.separate_input_output_schemas,
    )
    nodes = NodeSchemas()
    schemas: dict[str, Schema] = document.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in {**event_schemas(), **nodes.schemas}.items():
        if "class" in schema or name not in schemas:
            schemas[name] = schema
    _fill_unions(schemas, nodes)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    document["components"].setdefault("securitySchemes", {})["HTTPBearer"] = {"type": "http", "scheme": "bearer"}
    return document


def event_schemas() -> dict[str, Schema]:
    """Schemas of all socket events, whose names end in `Event`, and of what they contain."""
    from pydantic.json_schema import models_json_schema

    events = [(event, "validation") for event in _subclasses(Event) if "event_name" in vars(event)]
    _, built = models_json_schema(events, ref_template=REF + "{model}")  # type: ignore[arg-type]
    found: dict[str, Schema] = built.get("$defs", {})
    names = {event.__name__ for event, _ in events}
    return {f"{name.removesuffix('Event')}Event" if name in names else name: found[name] for name in found}


def _subclasses(cls: type[Event]) -> list[type[Event]]:
    return [found for child in cls.__subclasses__() for found in (child, *_subclasses(child))]


def _fill_unions(schemas: dict[str, Schema], nodes: NodeSchemas) -> None:
    """Write what a graph's nodes, a session's results and an event's node and result can be."""
    properties = {name: schema.get("properties", {}) for name, schema in schemas.items()}
    if "nodes" in properties.get("Graph", {}):
        properties["Graph"]["nodes"]["additionalProperties"] = nodes.union_of_nodes()
    if "results" in properties.get("GraphExecutionState", {}):
        properties["GraphExecutionState"]["results"]["additionalProperties"] = nodes.union_of_outputs()
    for name, fields in properties.items():
        if name.startswith("Invocation") and name.endswith("Event"):
            for field, union in (("invocation", nodes.union_of_nodes), ("result", nodes.union_of_outputs)):
                if field in fields:
                    kept = {key: fields[field][key] for key in ("title", "description") if key in fields[field]}
                    fields[field] = {**kept, **union()}


def document_of(app: FastAPI, cache: OpenApiCache | None = None) -> Document:
    """The document, from `cache` where it fits; else built, and kept there."""
    revision = InvocationRegistry.revision
    name = document_name(_shown(app)) if cache else None
    if cache and name and (kept := cache.get(name)):
        return Document(revision, *kept)
    plain = orjson.dumps(build_document(app))
    gzipped = gzip_bytes(plain, level=6)
    if cache and name:
        cache.put(name, gzipped)
    return Document(revision, plain, gzipped)


def _shown(app: FastAPI) -> Iterator[str]:
    """What is in the document besides nodes, by name."""
    yield from (app.title, app.version, app.openapi_version)
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            yield f"{sorted(route.methods or ())} {route.path}"
    yield from sorted(event.__qualname__ for event in _subclasses(Event))


def add_openapi_route(app: FastAPI, cache: OpenApiCache | None = None) -> None:
    """Serve the document at `/openapi.json`, from `cache` where it fits, and to callers of `app.openapi()`."""
    made: Document | None = None
    making = asyncio.Lock()

    async def serve(request: Request) -> Response:
        nonlocal made
        if made is None or made.revision != InvocationRegistry.revision:
            async with making:
                if made is None or made.revision != InvocationRegistry.revision:
                    made = await asyncio.to_thread(document_of, app, cache)
        headers = {"vary": "Accept-Encoding", "cache-control": "no-cache"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            return Response(made.gzipped, media_type="application/json", headers=headers)
        return Response(made.plain, media_type="application/json", headers=headers)

    app.add_route("/openapi.json", serve, include_in_schema=False)
    app.openapi = lambda: build_document(app)  # type: ignore[method-assign]
