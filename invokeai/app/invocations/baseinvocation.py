"""Nodes: the base classes, and the decorators that make a class known to the editor and the queue.

A class costs next to nothing until it is used: its validators are built at its first instance, which a server with
hundreds of node types needs to start quickly. A required input is None until the run; `check_inputs` refuses it then.
"""

from __future__ import annotations

import re
import sys
import typing
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Literal, Optional, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from invokeai.app.invocations.fields import FieldKind, Input
from invokeai.app.invocations.registry import InvocationRegistry
from invokeai.app.invocations.ui_types import UIType
from invokeai.app.services.shared.errors import InvalidInput

__all__ = [
    "BaseInvocation",
    "BaseInvocationOutput",
    "Classification",
    "InvocationRegistry",
    "MissingInputError",
    "UIConfigBase",
    "invocation",
    "invocation_output",
]

_SEMVER = re.compile(r"\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?")
_TYPE = re.compile(r"[^\s/\\]+")


class Classification(StrEnum):
    """How far a node can be relied on."""

    Stable = "stable"
    Beta = "beta"
    Prototype = "prototype"
    Deprecated = "deprecated"
    Internal = "internal"
    Special = "special"


@dataclass(slots=True)
class UIConfigBase:
    """What the decorator was told about a node."""

    node_pack: str
    title: str | None = None
    tags: list[str] | None = field(default_factory=list)
    category: str | None = None
    version: str = "1.0.0"
    classification: Classification = Classification.Stable


class MissingInputError(InvalidInput):
    """A required input of a node has neither a value nor a connection."""

    def __init__(self, node_type: str, title: str, inputs: list[str]) -> None:
        names = ", ".join(f"`{name}`" for name in inputs)
        noun, verb = ("inputs", "have") if len(inputs) > 1 else ("input", "has")
        super().__init__(f"{title} ({node_type}) cannot run: its required {noun} {names} {verb} no value.")
        self.node_type = node_type
        self.inputs = inputs


def _node_attribute(**extra: Any) -> dict[str, Any]:
    return {"field_kind": FieldKind.NodeAttribute.value, **extra}


class BaseInvocationOutput(BaseModel):
    """Base of what a node gives. Decorate subclasses with `invocation_output`, make their fields with `OutputField`."""

    model_config = ConfigDict(defer_build=True, protected_namespaces=())

    output_meta: Optional[dict[str, Any]] = Field(  # noqa: UP045 - evaluated by pydantic
        default=None,
        description="Anything else that the node tells about its result.",
        json_schema_extra=_node_attribute(),
    )

    @classmethod
    def get_type(cls) -> str:
        """The `type` string; empty for a class without the decorator."""
        info = cls.__pydantic_fields__.get("type")
        return str(info.default) if info else ""


class BaseInvocation(BaseModel):
    """Base of every node. Decorate subclasses with `invocation`, make their fields with `InputField`.

    `invoke` is a plain function (it runs in a worker thread) or `async def` (it runs on the event loop). Values that
    arrive by edges are set with validation, so what `invoke` reads has the annotated type.
    """

    model_config = ConfigDict(defer_build=True, protected_namespaces=(), validate_assignment=True)

    UIConfig: ClassVar[UIConfigBase]

    id: str = Field(
        default_factory=lambda: str(uuid4()),
        description="Identifies the node within its graph.",
        json_schema_extra=_node_attribute(),
    )
    is_intermediate: bool = Field(
        default=False,
        description="Whether results of this node stay out of the gallery.",
        json_schema_extra=_node_attribute(
            input=Input.Direct.value, orig_required=True, ui_hidden=False, ui_type=UIType._IsIntermediate.value
        ),
    )
    use_cache: bool = Field(
        default=True,
        description="Whether an earlier result for the same inputs may be used.",
        json_schema_extra=_node_attribute(),
    )

    @abstractmethod
    def invoke(self, context: Any) -> BaseInvocationOutput | Awaitable[BaseInvocationOutput]:
        """Do the work, with an InvocationContext, or an AsyncInvocationContext where it is `async def`.

        What it raises fails the session with the message of the exception.
        """

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        for info in cls.__pydantic_fields__.values():
            nullable = info.annotation is None or type(None) in typing.get_args(info.annotation)
            if info.default is None and not nullable:  # required, or an old node pack's `x: int = None`
                info.annotation = typing.cast(type[Any], Optional[info.annotation])  # noqa: UP045

    @classmethod
    def get_type(cls) -> str:
        """The `type` string; empty for a class without the decorator."""
        info = cls.__pydantic_fields__.get("type")
        return str(info.default) if info else ""

    @classmethod
    def get_output_annotation(cls) -> type[BaseInvocationOutput]:
        """The output class: what `invoke` is annotated to return."""
        return _output_class(cls)

    @classmethod
    def required_inputs(cls) -> tuple[str, ...]:
        """Names of the inputs that need a value by the time the node runs."""
        return tuple(
            name
            for name, info in cls.__pydantic_fields__.items()
            if isinstance(info.json_schema_extra, dict)
            and info.json_schema_extra.get("orig_required")
            and info.json_schema_extra.get("field_kind") == FieldKind.Input.value
        )

    def check_inputs(self) -> None:
        """Refuse to run without a required input.

        Raises:
            MissingInputError: naming the inputs.
        """
        missing = [name for name in self.required_inputs() if getattr(self, name) is None]
        if missing:
            raise MissingInputError(self.get_type(), self.get_title(), missing)

    def set_input(self, name: str, value: Any) -> None:
        """Set the value that an edge brings.

        Raises:
            InvalidInput: the node has no such input, or the value does not fit it.
        """
        extra_allowed = self.model_config.get("extra") == "allow"
        if name not in type(self).__pydantic_fields__ and not extra_allowed:
            raise InvalidInput(f"{self.get_title()} ({self.get_type()}) has no input `{name}`.")
        try:
            setattr(self, name, value)
        except ValidationError as error:
            faults = "; ".join(fault["msg"] for fault in error.errors(include_url=False, include_context=False))
            raise InvalidInput(f"{self.get_title()} ({self.get_type()}), input `{name}`: {faults}") from None

    @classmethod
    def get_title(cls) -> str:
        """The title that the editor shows."""
        return cls.UIConfig.title or cls.__name__


Node = TypeVar("Node", bound=type[BaseInvocation])
Output = TypeVar("Output", bound=type[BaseInvocationOutput])


def invocation(
    invocation_type: str,
    title: str | None = None,
    tags: list[str] | None = None,
    category: str | None = None,
    version: str | None = None,
    use_cache: bool | None = True,
    classification: Classification = Classification.Stable,
) -> Callable[[Node], Node]:
    """Register a node class under `invocation_type`.

    Args:
        version: like 1.2.3; the editor offers to update nodes of workflows saved with an older one.
        use_cache: whether equal inputs may be answered with an earlier result, unless the graph says otherwise.

    Raises:
        ValueError: the type, the version, a field or the return annotation of `invoke` is not as it must be.
    """

    def register(cls: Node) -> Node:
        if not _TYPE.fullmatch(invocation_type):
            raise ValueError(f"{invocation_type!r} is no node type: it has spaces or slashes.")
        if version is not None and not _SEMVER.fullmatch(version):
            raise ValueError(f"The version {version!r} of the node {invocation_type} is not like 1.2.3.")
        cls.UIConfig = UIConfigBase(
            node_pack=cls.__module__.split(".")[0],
            title=title,
            tags=tags,
            category=category,
            version=version or "1.0.0",
            classification=classification,
        )
        _check_fields(cls, invocation_type, FieldKind.Input)
        _set_type(cls, invocation_type)
        if use_cache is False:
            cache = cls.__pydantic_fields__["use_cache"]
            cls.__pydantic_fields__["use_cache"] = FieldInfo(
                annotation=bool, default=False, description=cache.description, json_schema_extra=_node_attribute()
            )
        _check_output(cls)
        InvocationRegistry.register_invocation(cls)
        return cls

    return register


def invocation_output(output_type: str) -> Callable[[Output], Output]:
    """Register an output class under `output_type`.

    Raises:
        ValueError: the type or a field is not as it must be.
    """

    def register(cls: Output) -> Output:
        if not _TYPE.fullmatch(output_type):
            raise ValueError(f"{output_type!r} is no output type: it has spaces or slashes.")
        _check_fields(cls, output_type, FieldKind.Output)
        _set_type(cls, output_type)
        InvocationRegistry.register_output(cls)
        return cls

    return register


def _set_type(cls: type[BaseModel], name: str) -> None:
    """Give `cls` its `type` member, last in order; cheap, as validators are built later."""
    fields = cls.__pydantic_fields__
    fields.pop("type", None)
    fields["type"] = FieldInfo(
        annotation=typing.cast(type[Any], Literal[name]),
        default=name,
        title="type",
        json_schema_extra=_node_attribute(),
    )
    if cls.__pydantic_complete__:  # somebody made an instance before decorating
        cls.model_rebuild(force=True)


def _check_fields(cls: type[BaseModel], name: str, kind: FieldKind) -> None:
    for field_name, info in cls.__pydantic_fields__.items():
        extra = info.json_schema_extra
        found = extra.get("field_kind") if isinstance(extra, dict) else None
        if found in (kind.value, FieldKind.Internal.value, FieldKind.NodeAttribute.value):
            if found == kind.value and field_name in ("metadata", "board") and kind is FieldKind.Input:
                raise ValueError(f"{name}: the name {field_name} is kept for WithMetadata and WithBoard.")
            continue
        if field_name != "type":
            raise ValueError(f"{name}: the field {field_name} is not made by {kind.name}Field().")


def _output_class(cls: type[BaseInvocation]) -> type[BaseInvocationOutput]:
    found = cls.invoke.__annotations__.get("return")
    if isinstance(found, str):
        module = sys.modules[cls.invoke.__module__]
        found = eval(found, vars(module))
    if not (isinstance(found, type) and issubclass(found, BaseInvocationOutput)):
        raise ValueError(f"{cls.get_type()}: invoke() must be annotated to return a BaseInvocationOutput.")
    return found


def _check_output(cls: type[BaseInvocation]) -> None:
    if isinstance(cls.invoke.__annotations__.get("return"), str):
        return  # may name a class that is defined further down; resolved when asked for
    _output_class(cls)


def __getattr__(name: str) -> Any:
    from invokeai.app.invocations.old_names import moved

    return moved(__name__, name)
