"""Joining, splitting and replacing text."""

import re

from invokeai.invocation_api import (
    BaseInvocation,
    BaseInvocationOutput,
    InputField,
    InvalidInput,
    InvocationContext,
    OutputField,
    StringOutput,
    UIComponent,
    invocation,
    invocation_output,
)


@invocation_output("string_pos_neg_output")
class StringPosNegOutput(BaseInvocationOutput):
    """What is wanted and what is not."""

    positive_string: str = OutputField(description="Text outside brackets.")
    negative_string: str = OutputField(description="Text inside brackets.")


@invocation_output("string_2_output")
class String2Output(BaseInvocationOutput):
    """Two texts."""

    string_1: str = OutputField(description="Text before the delimiter.")
    string_2: str = OutputField(description="Text after the delimiter.")


@invocation("string_split_neg", "String Split Negative", ["string", "split", "negative"], "strings", "1.0.1")
class StringSplitNegInvocation(BaseInvocation):
    """Splits a prompt: what stands in [brackets] is unwanted, the rest is wanted. Brackets become spaces."""

    string: str = InputField(default="", description="Text to split.", ui_component=UIComponent.Textarea)

    def invoke(self, context: InvocationContext) -> StringPosNegOutput:
        """Wanted and unwanted text. Brackets nest; a closing one without its opening one counts for nothing."""
        texts: tuple[list[str], list[str]] = ([], [])
        depth = 0
        for letter in self.string:
            if letter == "[":
                depth += 1
                texts[depth > 0].append(" ")
            elif letter == "]":
                texts[depth > 0].append(" ")
                depth = max(0, depth - 1)
            else:
                texts[depth > 0].append(letter)
        return StringPosNegOutput(positive_string="".join(texts[0]), negative_string="".join(texts[1]))


@invocation("string_split", "String Split", ["string", "split"], "strings", "1.0.1")
class StringSplitInvocation(BaseInvocation):
    """Splits a text in two at the first delimiter, or at the first white space."""

    string: str = InputField(default="", description="Text to split.", ui_component=UIComponent.Textarea)
    delimiter: str = InputField(default="", description="Where to split; empty for white space.")

    def invoke(self, context: InvocationContext) -> String2Output:
        """Both parts without the delimiter; the second is empty where there is none."""
        parts = [*self.string.split(self.delimiter or None, 1), "", ""]
        return String2Output(string_1=parts[0], string_2=parts[1])


@invocation("string_join", "String Join", ["string", "join"], "strings", "1.0.1")
class StringJoinInvocation(BaseInvocation):
    """One text after the other."""

    string_left: str = InputField(default="", description="First text.", ui_component=UIComponent.Textarea)
    string_right: str = InputField(default="", description="Second text.", ui_component=UIComponent.Textarea)

    def invoke(self, context: InvocationContext) -> StringOutput:
        """Both, nothing between."""
        return StringOutput(value=self.string_left + self.string_right)


@invocation("string_join_three", "String Join Three", ["string", "join"], "strings", "1.0.1")
class StringJoinThreeInvocation(BaseInvocation):
    """Three texts in a row."""

    string_left: str = InputField(default="", description="First text.", ui_component=UIComponent.Textarea)
    string_middle: str = InputField(default="", description="Second text.", ui_component=UIComponent.Textarea)
    string_right: str = InputField(default="", description="Third text.", ui_component=UIComponent.Textarea)

    def invoke(self, context: InvocationContext) -> StringOutput:
        """All three, nothing between."""
        return StringOutput(value=self.string_left + self.string_middle + self.string_right)


@invocation("string_replace", "String Replace", ["string", "replace", "regex"], "strings", "1.0.1")
class StringReplaceInvocation(BaseInvocation):
    """Replaces every occurrence of a text, or of a regular expression."""

    string: str = InputField(default="", description="Text to work on.", ui_component=UIComponent.Textarea)
    search_string: str = InputField(default="", description="What to look for.", ui_component=UIComponent.Textarea)
    replace_string: str = InputField(default="", description="What to put there.", ui_component=UIComponent.Textarea)
    use_regex: bool = InputField(default=False, description="Whether to look for a regular expression.")

    def invoke(self, context: InvocationContext) -> StringOutput:
        """The text after replacing; an empty search changes nothing. Raises InvalidInput for a wrong expression."""
        if not self.search_string:
            return StringOutput(value=self.string)
        if not self.use_regex:
            return StringOutput(value=self.string.replace(self.search_string, self.replace_string))
        try:
            return StringOutput(value=re.sub(self.search_string, self.replace_string, self.string))
        except re.error as error:
            raise InvalidInput(f"The regular expression is wrong: {error}.") from None
