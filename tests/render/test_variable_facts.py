"""What a variable's page says of shards, odd chunks, neighbours, plain layouts, inline ends and readers."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from tests.inspection.arrays import BYTES, virtual_array
from vzlab.inspection import VariableInspection, inspect
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray, ManifestGroup
from vzlab.render import to_text
from vzlab.render.variable_facts import variable_facts


def said(variable: VariableInspection) -> dict[str, str]:
    """Facts by name, as one line of text each."""
    return {
        fact.name: " ".join(filter(None, (fact.code, fact.text, fact.aside)))
        for fact in variable_facts(variable)
    }


def array_at(offsets: list[int], lengths: list[int]) -> ManifestArray:
    metadata = ArrayMetadata.create(
        shape=(10 * len(offsets),),
        dtype="i2",
        chunks=(10,),
        codecs=[BYTES],
        fill_value=0,
        dimension_names=("x",),
    )
    manifest = ChunkManifest.from_ranges("file:///a.nc", offsets, lengths)
    return ManifestArray(metadata=metadata, manifest=manifest)


def inline_array(values: np.ndarray, chunk: int, attributes: dict[str, object]) -> ManifestArray:
    n = -(-len(values) // chunk)
    padded = np.zeros(n * chunk, values.dtype)
    padded[: len(values)] = values
    metadata = ArrayMetadata.create(
        shape=values.shape,
        dtype="i4",
        chunks=(chunk,),
        codecs=[BYTES],
        fill_value=0,
        attributes=attributes,
        dimension_names=("time",),
    )
    manifest = ChunkManifest.from_inline([block.tobytes() for block in np.split(padded, n)], (n,))
    return ManifestArray(metadata=metadata, manifest=manifest)


def test_shards_are_told_with_their_index():
    array = zarr.create_array(
        {}, name="s", shape=(8, 8), shards=(4, 4), chunks=(2, 2), dtype="f4", fill_value=0
    )
    told = said(inspect(array)["s"])["shards"]
    assert told.startswith("each of 4 inner chunks of (2, 2), Zstandard")
    assert told.endswith("an index of 68 B at the end tells where they are")


def test_neighbours_and_alignment_are_told():
    turns = inspect(
        ManifestGroup(
            arrays={
                "a": array_at([0, 4096, 8192], [20] * 3),
                "b": array_at([1024, 5120, 9216], [20] * 3),
                "alone": array_at([20_000, 20_020], [20] * 2),
            }
        )
    )
    assert said(turns["a"])["in the file"].endswith(
        "other variables between them in 2 places, aligned to 4,096 B"
    )
    assert said(turns["b"])["in the file"].endswith("aligned to 1,024 B")
    assert "between them" not in said(turns["alone"])["in the file"]
    assert said(turns["alone"])["plain"].endswith("in one run: any piece can be read alone")
    assert "of a chunk" in said(turns["a"])["plain"]


def test_sizes_far_out_are_told_with_the_largest():
    lengths = [20, 21, 22, 20, 21, 22, 20, 900]
    offsets = np.cumsum([0, *lengths[:-1]]).tolist()
    assert said(inspect(ManifestGroup(arrays={"a": array_at(offsets, lengths)}))["a"])["of note"] == (
        "1 size far out, the largest chunk at (7)"
    )


@pytest.mark.parametrize("chunk", [3, 5, 12])
def test_ends_of_inline_times_are_decoded(chunk):
    days = np.arange(12, dtype="i4")
    attributes = {"units": "days since 2024-02-20", "calendar": "standard"}
    found = inspect(ManifestGroup(arrays={"time": inline_array(days, chunk, attributes)}))["time"]
    assert (found.encoding.first, found.encoding.last) == ("2024-02-20", "2024-03-02")
    assert said(found)["first, last"] == "2024-02-20 to 2024-03-02"


def test_ends_of_what_lies_in_a_file_are_not_guessed():
    found = inspect(ManifestGroup(arrays={"a": virtual_array((4,), dims=("a",))}))["a"]
    assert (found.encoding.first, found.encoding.last) == (None, None)


def test_readers_that_cannot_are_named_and_a_scalar_never_written_is_not_contiguous():
    found = inspect(
        ManifestGroup(arrays={"a": virtual_array((4,)), "none": virtual_array((4,), n_missing=4)})
    )
    assert said(found["a"])["read by"] == "zarr-python, zarrs and zarrita.js not GDAL"
    assert "never written" in to_text(found, width=80, max_lines=0)
    assert said(found["none"])["chunks"].endswith("all missing")
