"""Schemas of every loaded node and output for `components.schemas`, as the node editor parses them.

One schema without its `type`, `use_cache` or `output` would break the editor for all nodes; so a node whose schema
cannot be built is left out, with an error in the log.
"""

import inspect
import logging
from typing import Any

from invokeai.app.invocations.baseinvocation import BaseInvocation, BaseInvocationOutput
from invokeai.app.invocations.field_schemas import REF, FieldSchemas, Schema
from invokeai.app.invocations.registry import InvocationRegistry

logger = logging.getLogger(__name__)


class NodeSchemas:
    """The schemas of the registry as it is now.

    Attributes:
        schemas: all of them by name: nodes, outputs, and the values that their fields hold.
        nodes, outputs: names of the node and output schemas, sorted.
        output_of: node type to the name of its output schema.
    """

    def __init__(self) -> None:
        self._fields = FieldSchemas()
        self.schemas: dict[str, Schema] = {}
        self.output_of: dict[str, str] = {}
        self._names: dict[type[Any], str] = {}
        for output in InvocationRegistry.get_output_classes():
            self._output(output)
        self.outputs = sorted(self.schemas)
        for node in InvocationRegistry.get_invocation_classes():
            try:
                self._node(node)
            except Exception:  # a custom node's annotations can hold anything; the others must stay usable
                logger.exception("The node %s is left out of the editor: no schema can be made", node.get_type())
        self.nodes = sorted(set(self.schemas) - set(self.outputs))
        self.schemas = {**self._fields.named_schemas(), **self.schemas}
        self.schemas["InvocationOutputMap"] = self._output_map()

    def _name_of(self, cls: type[Any]) -> str:
        """The class name, with the package in front where two packs use the same one."""
        if cls not in self._names:
            name = cls.__name__
            self._names[cls] = f"{cls.__module__.split('.')[0]}__{name}" if name in self._names.values() else name
        return self._names[cls]

    def _properties(self, cls: type[BaseInvocation] | type[BaseInvocationOutput]) -> dict[str, Schema]:
        return {name: self._fields.field(name, info) for name, info in cls.__pydantic_fields__.items()}

    def _output(self, cls: type[BaseInvocationOutput]) -> None:
        properties = self._properties(cls)
        properties.pop("output_meta", None)  # no field: the editor would offer it as a connection
        schema: Schema = {"class": "output", "title": cls.__name__, "type": "object", "properties": properties}
        schema.update(_description(cls))
        schema["required"] = list(properties)
        self.schemas[self._name_of(cls)] = schema

    def _node(self, cls: type[BaseInvocation]) -> None:
        facts = cls.UIConfig
        output = self._names[cls.get_output_annotation()]
        schema: Schema = {
            "class": "invocation",
            "title": facts.title or cls.__name__,
            "type": "object",
            "node_pack": facts.node_pack,
            "version": facts.version,
            "classification": facts.classification.value,
            "properties": self._properties(cls),
            "required": ["type", "id"],
            "output": {"$ref": REF + output},
            **_description(cls),
        }
        if facts.category:
            schema["category"] = facts.category
        if facts.tags:
            schema["tags"] = facts.tags
        if cls.model_config.get("extra") == "allow":
            schema["additionalProperties"] = True
        self.schemas[self._name_of(cls)] = schema
        self.output_of[cls.get_type()] = output

    def _output_map(self) -> Schema:
        types = sorted(self.output_of)
        refs = {node_type: {"$ref": REF + self.output_of[node_type]} for node_type in types}
        return {"type": "object", "properties": refs, "required": types}

    def union_of_nodes(self) -> Schema:
        """Any node."""
        return {"oneOf": [{"$ref": REF + name} for name in self.nodes]}

    def union_of_outputs(self) -> Schema:
        """Any output."""
        return {"oneOf": [{"$ref": REF + name} for name in self.outputs]}


def _description(cls: type[Any]) -> Schema:
    text = inspect.cleandoc(cls.__doc__) if cls.__doc__ else ""
    return {"description": text} if text else {}
