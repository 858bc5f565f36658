"""The one command that decides: lint, format, types, layers, then the tests.

::

    python tests/check.py                 everything but the tests marked slow, browser, notebook or corpus
    python tests/check.py --all           every test, and the notebooks
    python tests/check.py -k storage -x   further arguments go to pytest

It exits with 0 only when every step passed. A step that fails does not keep the later ones from running.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = ("slow", "browser", "notebook", "corpus")
"""Markers of the tests that run only with `--all`; pyproject.toml says what each means."""
MAX_WORKERS = 4


def pytest_arguments(*, everything: bool, further: list[str]) -> list[str]:
    """Give what pytest is called with; what was asked for further comes last, so that it wins."""
    workers = ["-n", "auto", "--maxprocesses", str(MAX_WORKERS)]
    if not everything:
        return ["-q", *workers, "-m", f"not ({' or '.join(LEFT_OUT)})", *further]
    # nbval runs the notebooks under the test paths and compares every output, pictures included.
    sanitize = str(ROOT / "tests" / "notebooks" / "sanitize.cfg")
    nbval = ["-p", "nbval.plugin", "--nbval", "--nbval-current-env", "--nbval-sanitize-with", sanitize]
    return ["-q", *workers, *nbval, "--nbval-cell-timeout", "90", *further]


def _passes(step: str, arguments: list[str]) -> bool:
    print(f"── {step}", flush=True)
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, check=False).returncode == 0


def main() -> int:
    """Run all steps and give the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--all", action="store_true", help="run every test, and the notebooks")
    options, further = parser.parse_known_args()
    failed = [
        step
        for step, arguments in {
            "lint": ["-m", "ruff", "check", "--output-format", "concise"],
            "format": ["-m", "ruff", "format", "--check", "--output-format", "concise"],
            "types": ["-m", "mypy"],
            # import-linter has a command and no module to run.
            "layers": [
                "-c",
                "from importlinter.cli import lint_imports_command as run; run()",
                "--no-logo",
                "--no-cache",
            ],
            "tests": ["-m", "pytest", *pytest_arguments(everything=options.all, further=further)],
        }.items()
        if not _passes(step, arguments)
    ]
    print(f"FAILED: {', '.join(failed)}" if failed else "All steps passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
