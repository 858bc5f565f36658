"""A small archive for builders, and what a written store refers to."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import vzlab as vz
from tests.archives import DailyFile, write_daily_file, write_daily_files
from vzlab.datasets import dataset_to_group

type Manifests = dict[str, dict[str, Any]]


def daily_archive(folder: Path, *, n_days: int = 4, odd: int | None = None) -> list[Path]:
    """Daily files of packed `sst`, one of which may be packed with another scale."""
    files = write_daily_files(folder, n_days=n_days)
    if odd is not None:
        write_daily_file(files[odd], DailyFile(first_day=odd), scale_factor=0.02)
    return files


def manifests_of(x: Any) -> Manifests:
    """Every chunk of every virtual variable: url, offset and length, or its bytes."""
    if isinstance(x, str | Path):
        x = vz.open_group(x)
    groups = (
        {"": x}
        if isinstance(x, vz.ManifestGroup)
        else {node.path.strip("/"): dataset_to_group(node.to_dataset(inherit=False)) for node in x.subtree}
        if hasattr(x, "subtree")
        else {"": dataset_to_group(x)}
    )
    return {
        f"{path}/{below}/{name}".replace("//", "/").strip("/"): array.manifest.to_dict()
        for path, group in groups.items()
        for below, part in group.walk()
        for name, array in part.arrays.items()
        if array.manifest.n_virtual
    }


def parts_of(x: Any) -> dict[str, Any]:
    """Everything that a dataset or tree consists of, by group: attributes, metadata, references, values."""
    nodes = x.subtree if hasattr(x, "subtree") else [x]
    return {
        getattr(node, "path", "/"): dataset_to_group(
            node.to_dataset(inherit=False) if hasattr(node, "subtree") else node
        )
        for node in nodes
    }


def run_alone(builder: vz.Builder, folder: Path) -> dict[str, Any]:
    """Run a builder's program in names of its own, and give them."""
    script = builder.to_script(folder / "program.py")
    names: dict[str, Any] = {"__name__": "__main__"}
    with suppress(SystemExit):  # its last line; the receipt is looked at here
        exec(compile(script.read_text(encoding="utf-8"), str(script), "exec"), names)
    assert "receipt" not in names or names["receipt"].verdict == "PASS"
    return names
