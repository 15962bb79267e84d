"""Say where a chat template wants a model to think, and what an empty thought looks like in it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import UserError
from harness.sweep.thoughts import SWITCHES, begins_thought, ends_thought

Messages = Sequence[Mapping[str, Any]]
Render = Callable[[Messages, Mapping[str, Any]], str]
"""(messages, further arguments of the template) → the prompt."""


@dataclass(frozen=True)
class ThoughtPlace:
    """Whether a thought is expected where a prompt ends."""

    begun: bool = False
    """Whether the prompt itself begins one."""

    empty: str = ""
    """What stands between the prompt and an answer without a thought; empty where none is expected."""


NO_THOUGHT = ThoughtPlace()


class ThoughtPlaces:
    """Where the prompts of one chat template expect thoughts."""

    def __init__(self, template: str, marks: Sequence[str], render: Render) -> None:
        """`template`: its source; empty where prompts are rendered without one."""
        self._marks, self._render = marks, render
        self._thinks = any(mark in template for mark in marks)
        self._switches = [name for name in SWITCHES if name in template]
        self._places: dict[str, ThoughtPlace] = {}
        """By what follows the last message in a prompt, which is the same for nearly all."""

    def of(self, messages: Messages, prompt: str) -> ThoughtPlace:
        """The place of a thought after a prompt, given the messages that it was rendered
        from; none where it is plain text."""
        ending = self._ending(messages, prompt)
        if ending not in self._places:
            self._places[ending] = self._place(messages, ending)
        return self._places[ending]

    def _place(self, messages: Messages, ending: str) -> ThoughtPlace:
        begun = begins_thought(ending, self._marks)
        if not begun and (not messages or not self._thinks or ends_thought(ending, self._marks)):
            return NO_THOUGHT
        return ThoughtPlace(begun, self._switched_off(messages, ending) or self._usual(ending, begun))

    def _switched_off(self, messages: Messages, ending: str) -> str:
        """What the template itself adds where nothing shall be thought;
        empty where it adds no empty thought."""
        for name in self._switches if messages else ():
            try:
                without = self._ending(messages, self._render(messages, {name: False}))
            except UserError:  # to this template, `false` is none of the argument's values
                continue
            if without.startswith(ending) and ends_thought(without, self._marks):
                return without[len(ending) :]
        return ""

    def _usual(self, ending: str, begun: bool) -> str:
        begin, end = self._marks
        if not begun:
            return f"{begin}\n\n{end}\n\n"
        # Templates that break the line after the first mark do so around the last one, too.
        return f"\n{end}\n\n" if "\n" in ending[ending.rfind(begin) :] else end

    def _ending(self, messages: Messages, prompt: str) -> str:
        """What follows the last message in a prompt; of plain text, the mark that it ends with."""
        content = messages[-1].get("content") if messages else None
        words = content.strip() if isinstance(content, str) else ""
        if words and words in prompt:
            return prompt[prompt.rfind(words) + len(words) :]
        text = prompt.rstrip()
        mark = next((mark for mark in self._marks if text.endswith(mark)), "")
        return prompt[len(text) - len(mark) :] if mark else ""
