"""JSON schemas of single fields, straight from annotations, in the form that the node editor reads.

Building pydantic's validators for hundreds of nodes only to describe them would cost a second; this reads the plain
annotations itself and asks pydantic for the rare rest.
"""

import types
import typing
from collections.abc import Iterable
from enum import Enum
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

REF = "#/components/schemas/"
Schema = dict[str, Any]
EDITOR_NAMES: dict[str, Schema] = {
    "AnyField": {"title": "AnyField", "description": "A value of any type."},
    "ObjectField": {
        "title": "ObjectField",
        "description": "Values by name.",
        "type": "object",
        "additionalProperties": True,
    },
}
"""Types that the node editor can parse by name only; spelled out, each would cost a warning and some their field."""

_PLAIN: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    None: {"type": "null"},
    dict: {"type": "object", "additionalProperties": True},
    list: {"type": "array", "items": {}},
}
_CONSTRAINTS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}
_LENGTHS = {"string": ("minLength", "maxLength"), "array": ("minItems", "maxItems")}


class FieldSchemas:
    """Builds schemas; `named` collects the models and enums that they refer to, `definitions` pydantic's extra ones."""

    def __init__(self) -> None:
        self.named: dict[str, type[Any]] = {}
        self.definitions: dict[str, Schema] = {}

    def field(self, name: str, info: FieldInfo) -> Schema:
        """Schema of a field: type, constraints, title, default and what `InputField` noted for the editor."""
        schema = self.editable(self.constrained(self.annotation(info.annotation), info.metadata))
        extra = dict(info.json_schema_extra) if isinstance(info.json_schema_extra, dict) else {}
        if not _refers(schema) or info.title:
            schema["title"] = info.title or name.replace("_", " ").title()
        if info.description:
            schema["description"] = info.description
        default = info.get_default(call_default_factory=True) if name != "id" else PydanticUndefined
        if default is not PydanticUndefined:
            schema["default"] = to_jsonable_python(default)
        if "orig_default" in extra:
            extra["orig_default"] = to_jsonable_python(extra["orig_default"])
        return {**schema, **extra}

    def editable(self, schema: Schema) -> Schema:
        """`schema` with the types named that the editor knows by name only."""
        if "anyOf" in schema:
            return {**schema, "anyOf": [self.editable(member) for member in schema["anyOf"]]}
        if schema.get("type") == "array":
            return {**schema, "items": self.editable(schema.get("items", {}))}
        name = "AnyField" if not schema else "ObjectField" if schema.get("type") == "object" else None
        if name is None:
            return schema
        self.definitions[name] = EDITOR_NAMES[name]
        return {"$ref": REF + name}

    def annotation(self, annotation: Any) -> Schema:
        """Schema of an annotation."""
        try:
            if annotation in _PLAIN:
                return dict(_PLAIN[annotation])
        except TypeError:
            pass
        if annotation is Any:
            return {}
        if isinstance(annotation, type) and issubclass(annotation, (BaseModel, Enum)):
            self.named[annotation.__name__] = annotation
            return {"$ref": REF + annotation.__name__}
        return self._generic(annotation) or self._by_pydantic(annotation)

    def _generic(self, annotation: Any) -> Schema | None:
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is typing.Literal:
            return _literal(args)
        if origin in (typing.Union, types.UnionType):
            return {"anyOf": [self.annotation(member) for member in args]}
        if origin is typing.Annotated:
            metadata: list[Any] = []
            for item in args[1:]:
                metadata.extend(item.metadata if isinstance(item, FieldInfo) else [item])
            return self.constrained(self.annotation(args[0]), metadata)
        if origin is list and args:
            return {"type": "array", "items": self.annotation(args[0])}
        if origin is dict and args and args[0] is str:
            return {"type": "object", "additionalProperties": self.annotation(args[1]) or True}
        return None

    def _by_pydantic(self, annotation: Any) -> Schema:
        schema = TypeAdapter(annotation).json_schema(ref_template=REF + "{model}")
        self.definitions.update(schema.pop("$defs", {}))
        return schema

    def constrained(self, schema: Schema, metadata: Iterable[Any]) -> Schema:
        """`schema` with pydantic's constraints; in a union, on each member that they can apply to."""
        facts = [item for item in metadata if item is not None]
        if not facts:
            return schema
        if "anyOf" in schema:
            return {**schema, "anyOf": [self.constrained(member, facts) for member in schema["anyOf"]]}
        kind = schema.get("type")
        for fact in facts:
            if kind in ("integer", "number"):
                schema.update({word: getattr(fact, key) for key, word in _CONSTRAINTS.items() if hasattr(fact, key)})
            elif kind in _LENGTHS:
                least, most = _LENGTHS[str(kind)]
                schema.update({least: fact.min_length} if getattr(fact, "min_length", None) is not None else {})
                schema.update({most: fact.max_length} if getattr(fact, "max_length", None) is not None else {})
                pattern = getattr(fact, "pattern", None)
                schema.update({"pattern": pattern} if pattern and kind == "string" else {})
        return schema

    def named_schemas(self) -> dict[str, Schema]:
        """Schemas of everything in `named` and of what those refer to, by name."""
        from pydantic.json_schema import models_json_schema

        out = dict(self.definitions)
        models = [(m, "validation") for m in self.named.values() if issubclass(m, BaseModel)]
        _, built = models_json_schema(typing.cast(Any, models), ref_template=REF + "{model}")
        out.update(built.get("$defs", {}))
        for name, kind in self.named.items():
            if issubclass(kind, Enum):
                values = [member.value for member in kind]
                out[name] = {
                    "title": name,
                    "enum": values,
                    "type": "string" if isinstance(values[0], str) else "integer",
                }
        return out


def _literal(values: tuple[Any, ...]) -> Schema:
    plain = [to_jsonable_python(value) for value in values]
    schema: Schema = {"const": plain[0]} if len(plain) == 1 else {"enum": plain}
    kinds = {type(value) for value in plain}
    if len(kinds) == 1:
        schema.update(_PLAIN.get(kinds.pop(), {}))
    return schema


def _refers(schema: Schema) -> bool:
    members = [member for member in schema.get("anyOf", [schema]) if member.get("type") != "null"]
    return all("$ref" in member for member in members)
