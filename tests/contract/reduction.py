"""An OpenAPI document reduced to what decides whether a saved workflow still works: names, types, defaults, versions.

`python -m tests.contract.reduction DOCUMENT NODE_LIST > lean_nodes.json` makes the fixture anew; the list has one node
type per line.
"""

import json
import sys
from pathlib import Path
from typing import Any

FIELD_FACTS = (
    "field_kind",
    "input",
    "orig_required",
    "ui_type",
    "ui_component",
    "ui_order",
    "ui_choice_labels",
    "ui_model_base",
    "ui_model_type",
    "ui_model_format",
    "ui_model_provider_id",
)
CONSTRAINTS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems")
EVERY_NODE = ("id", "type", "use_cache", "is_intermediate")
EVERY_OUTPUT = ("type", "output_meta")
BY_NAME_ONLY = {"AnyField": "any", "ObjectField": "object"}
"""What the document gives a name so that the editor can parse it, to what it is."""
Reduced = dict[str, Any]


def kind_of(schema: Reduced) -> str:
    """A type in words: `integer`, `ImageField`, `list[string]`, `number?` where null is allowed, `a|b` for an enum."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        return BY_NAME_ONLY.get(name, name)
    if "anyOf" in schema:
        members = [kind_of(member) for member in schema["anyOf"] if member.get("type") != "null"]
        return "/".join(sorted(members)) + ("?" if len(members) < len(schema["anyOf"]) else "")
    if "enum" in schema or "const" in schema:
        return "|".join(map(str, schema.get("enum", [schema.get("const")])))
    kind = str(schema.get("type", "any"))
    return f"list[{kind_of(schema.get('items', {}))}]" if kind == "array" else kind


def reduce_field(schema: Reduced) -> Reduced:
    """The facts of an input that a workflow or the editor depends on; those that say nothing are left out."""
    facts: Reduced = {key: schema[key] for key in FIELD_FACTS if schema.get(key) not in (None, False)}
    if schema.get("ui_hidden"):
        facts["ui_hidden"] = True
    if schema.get("default") is not None:
        facts["default"] = schema["default"]
    shown = next((m for m in schema.get("anyOf", []) if m.get("type") != "null"), schema)
    facts.update({key: float(shown[key]) for key in CONSTRAINTS if key in shown})
    return {"type": kind_of(schema).removesuffix("?") if facts.get("orig_required") else kind_of(schema), **facts}


def reduce_nodes(document: Reduced) -> dict[str, Reduced]:
    """Node type to its title, version, inputs and outputs."""
    schemas = document["components"]["schemas"]
    out = {}
    for schema in schemas.values():
        if schema.get("class") != "invocation":
            continue
        properties = schema["properties"]
        output = schemas[kind_of(schema["output"])]["properties"]
        out[properties["type"]["default"]] = {
            **{key: schema.get(key) for key in ("title", "version", "classification", "category", "tags")},
            "use_cache": properties["use_cache"]["default"],
            "more_members": schema.get("additionalProperties", False),
            "inputs": {name: reduce_field(field) for name, field in properties.items() if name not in EVERY_NODE},
            "output": output["type"]["default"],
            "outputs": {name: [kind_of(f), f.get("ui_type")] for name, f in output.items() if name not in EVERY_OUTPUT},
        }
    return out


if __name__ == "__main__":
    wanted = {line.split()[0] for line in Path(sys.argv[2]).read_text().splitlines() if line and line[0] != "#"}
    nodes = reduce_nodes(json.loads(Path(sys.argv[1]).read_text()))
    lines = [f"{json.dumps(name)}: {json.dumps(nodes[name])}" for name in sorted(wanted)]
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")
