"""What a builder was told, and what it has worked out: a value, with a memory of results that still hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

from vzlab.builder.choices import EVERYTHING, Choices, CostOf, Proof, Sources, Step, Target
from vzlab.builder.secrets import Secret, scrub, secrets_in
from vzlab.errors import StepError


@dataclass(frozen=True, kw_only=True, repr=False)
class State:
    """What was chosen at each step of a `Builder`."""

    chosen_sources: Sources = field(default_factory=Sources)
    looked_at: int | None = None
    """Position of the file that is looked at."""
    is_checked: bool = False
    """Whether the program checks compatibility before it combines."""
    choices: Choices = field(default_factory=Choices)
    is_combined: bool = False
    """Whether the program combines."""
    cost_of: CostOf | None = None
    target: Target = field(default_factory=Target)
    proof: Proof | None = None
    _results: dict[str, tuple[str, Any]] = field(default_factory=dict, compare=False)
    """What was worked out, by name, with what it depends on."""

    @property
    def written_group(self) -> str | None:
        """Path of the group that is written to, as was said or as it is in the files; None for the root."""
        if self.target.group is not None:
            return self.target.group
        group = self.choices.group
        return group if isinstance(group, str) and group != EVERYTHING else None

    @property
    def asks_for_datasets(self) -> bool:
        """Whether any step needs the files opened."""
        return self.is_checked or self.is_combined

    @property
    def leaves_variables_out(self) -> bool:
        """Whether files have variables that are not taken."""
        choices = self.choices
        is_part = choices.group not in (None, EVERYTHING)
        return choices.variables is not None or bool(choices.drop_variables) or is_part

    def scrub(self, text: str) -> str:
        """Text in which no secret of this builder can be read."""
        return scrub(text, self._secrets())

    def _secrets(self) -> list[Secret]:
        sources = self.chosen_sources
        return list(
            secrets_in(
                sources.locations,
                sources.storage_options,
                sources.parser_options,
                self.target.storage_options,
            )
        )

    def _with(self, **changes: Any) -> Self:
        """Another state; results are carried along, and hold as long as what they depend on is the same."""
        changed = replace(self, **changes, _results=dict(self._results))
        if (
            changed.target.group is not None
            and changed.target.group == replace(changed, target=Target()).written_group
        ):
            # The place that it has without being told.
            changed = replace(changed, target=replace(changed.target, group=None))
        return changed

    def _need_sources(self, step: Step) -> None:
        if not self.chosen_sources.locations:
            raise StepError("There are no sources yet: take the step sources(...) first", step="sources")

    # -- results ----------------------------------------------------------------------------------------------------

    def remember[T](self, name: str, make: Callable[[], T]) -> T:
        """A result that is known, or is made now."""
        depends_on = self._depends_on(name)
        known = self._results.get(name)
        if known is None or known[0] != depends_on:
            known = self._results[name] = (depends_on, make())
        value: T = known[1]
        return value

    def kept(self, name: str) -> Any:
        """A result if it is known and still holds; None if not."""
        known = self._results.get(name)
        return None if known is None or known[0] != self._depends_on(name) else known[1]

    def keep(self, name: str, value: Any) -> None:
        """Note a result."""
        self._results[name] = (self._depends_on(name), value)

    def _depends_on(self, name: str) -> str:
        """Everything that a result follows from, as text: it holds as long as that is the same."""
        sources, choices = self.chosen_sources, self.choices
        opening = (choices.opening(), choices.variables, choices.is_tree)
        told: dict[str, tuple[Any, ...]] = {
            "registry": (sources.storage_options,),
            "files": (sources,),
            "format": (sources,),
            "inspection": (sources, self.looked_at),
            # Of single files, whichever are taken: those that are left out later need not be opened again.
            "opened": (sources.storage_options, sources.parser, sources.parser_options, opening),
            "report": (sources, opening, choices.checking()),
            "cube": (sources, choices),
            "preview": (sources, choices, self.cost_of),
            "written": (sources, choices, self.target),
            "proved": (sources, choices, self.target, self.proof),
        }
        return repr(told[name])
