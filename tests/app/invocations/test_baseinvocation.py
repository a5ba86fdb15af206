"""What the node base classes promise: cheap classes, late required inputs, validated edges, a strict registry."""

from typing import Any

import pytest
from pydantic import Field

from invokeai.app.invocations.baseinvocation import MissingInputError
from invokeai.invocation_api import (
    BaseInvocation,
    BaseInvocationOutput,
    ImageField,
    InputField,
    InvalidInput,
    InvocationContext,
    InvocationRegistry,
    OutputField,
    invocation,
    invocation_output,
)


@invocation_output("probe_output")
class ProbeOutput(BaseInvocationOutput):
    """An output for these tests."""

    value: int = OutputField(description="A value.")


@invocation("probe", title="Probe", version="1.2.3", use_cache=False)
class ProbeInvocation(BaseInvocation):
    """A node for these tests."""

    image: ImageField = InputField(description="Needed.")
    count: int = InputField(default=1, ge=1, description="A number.")
    note: str = InputField(default=None, description="An old-style default.")

    def invoke(self, context: InvocationContext) -> ProbeOutput:
        """The count."""
        return ProbeOutput(value=self.count)


@pytest.fixture
def probe() -> ProbeInvocation:
    return ProbeInvocation(id="n")


def test_a_required_input_may_be_absent_or_null_until_the_run() -> None:
    for values in ({}, {"image": None}):
        node = ProbeInvocation.model_validate({"id": "n", "type": "probe", **values})
        with pytest.raises(MissingInputError, match=r"Probe \(probe\).*`image`"):
            node.check_inputs()


def test_a_node_with_its_inputs_may_run(probe: ProbeInvocation) -> None:
    probe.set_input("image", {"image_name": "a.png", "unknown": 1})
    probe.check_inputs()
    assert probe.image == ImageField(image_name="a.png")


@pytest.mark.parametrize("name, value", [("count", "many"), ("count", 0), ("image", {"name": "x"}), ("nothing", 1)])
def test_an_edge_cannot_bring_what_does_not_fit(probe: ProbeInvocation, name: str, value: Any) -> None:
    before = probe.model_dump()
    with pytest.raises(InvalidInput, match=name):
        probe.set_input(name, value)
    assert probe.model_dump() == before


def test_decorating_sets_type_cache_and_pack() -> None:
    assert ProbeInvocation.get_type() == "probe"
    assert ProbeInvocation(id="n").use_cache is False
    assert ProbeInvocation.UIConfig.version == "1.2.3"
    assert InvocationRegistry.get_invocation("probe") is ProbeInvocation
    assert "probe" in InvocationRegistry.invocation_types()
    assert ProbeInvocation.get_output_annotation() is ProbeOutput
    assert ProbeInvocation(id="n").model_dump(mode="json")["type"] == "probe"


def test_a_class_is_not_built_before_its_first_instance() -> None:
    @invocation("probe_lazy")
    class Lazy(ProbeInvocation):
        """Never instantiated here."""

    assert Lazy.__pydantic_complete__ is False
    assert Lazy(id="n").type == "probe_lazy"  # type: ignore[attr-defined]
    assert Lazy.__pydantic_complete__ is True


def test_a_pack_cannot_take_over_a_node_of_another() -> None:
    before = InvocationRegistry.get_invocation("probe")
    with pytest.raises(ValueError, match="already comes with"):

        @invocation("probe")
        class Intruder(BaseInvocation):
            """Says that it comes from elsewhere."""

            __module__ = "elsewhere.nodes"

            def invoke(self, context: InvocationContext) -> ProbeOutput:
                """Nothing."""
                return ProbeOutput(value=0)

    assert InvocationRegistry.get_invocation("probe") is before


def test_wrong_declarations_are_refused() -> None:
    with pytest.raises(ValueError, match=r"like 1\.2\.3"):
        invocation("probe_version", version="one")(type("V", (ProbeInvocation,), {"__doc__": "x"}))
    with pytest.raises(ValueError, match="spaces"):
        invocation("probe type")(type("T", (ProbeInvocation,), {"__doc__": "x"}))
    with pytest.raises(ValueError, match="InputField"):

        @invocation("probe_field")
        class Plain(BaseInvocation):
            """A field that the editor could not show."""

            value: int = Field(default=0)

            def invoke(self, context: InvocationContext) -> ProbeOutput:
                """Nothing."""
                return ProbeOutput(value=0)

    with pytest.raises(ValueError, match="BaseInvocationOutput"):

        @invocation("probe_return")
        class NoOutput(BaseInvocation):
            """Without an output class."""

            def invoke(self, context: InvocationContext):  # type: ignore[no-untyped-def]
                """Nothing."""

    for node_type in ("probe_version", "probe type", "probe_field", "probe_return"):
        assert InvocationRegistry.get_invocation(node_type) is None
