"""Receipts of the comparisons of a test run: one page and one JSON document for each, and a line that counts them."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from vzlab.testing.comparison import Comparison

_MAX_NAME = 120


@dataclass(eq=False)
class Receipts:
    """Writes comparisons into a folder."""

    folder: Path
    _verdicts: Counter[str] = field(default_factory=Counter)
    _names: Counter[str] = field(default_factory=Counter)

    def write(self, test: str, comparison: Comparison) -> None:
        """Write what a test compared, under the test's name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^\w.-]+", "_", test)[-_MAX_NAME:].strip("_")
        self._names[name] += 1
        if (n := self._names[name]) > 1:
            name = f"{name}-{n}"
        comparison.to_html(self.folder / f"{name}.html")
        document = {"test": test, **comparison.to_dict()}
        (self.folder / f"{name}.json").write_text(
            json.dumps(document, indent=1, default=str), encoding="utf-8"
        )
        self._verdicts[comparison.verdict] += 1

    def summary(self) -> str:
        """How many there are, by verdict."""
        n = self._verdicts.total()
        if not n:
            return "no comparison was made"
        by_verdict = ", ".join(f"{count} {verdict}" for verdict, count in sorted(self._verdicts.items()))
        return f"{n} comparison{'s' * (n != 1)} ({by_verdict}): receipts in {self.folder}"
