"""The collection's own rules of hashing, held against h5py and zarr-python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest

from tests.corpus import CorpusEntry, corpus_file, corpus_params, expected_values, h5_name_of, value_hash

assert hdf5plugin.get_filters(), "the filters of the collection's files must be registered with h5py"


def h5py_hashes(path: Path, names: Iterator[str]) -> dict[str, str]:
    with h5py.File(path) as file:
        return {name: value_hash(file[name][()], name_of=h5_name_of(file)) for name in names}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("hdf5/HDFGroup__hdf5-json/sample.h5", id="variable-length-and-big-endian-records"),
        pytest.param("hdf5/OPENDAP__bes/ntypes.h5", id="nested-variable-length-and-region-references"),
        pytest.param("hdf5/JuliaIO__MAT.jl/struct_table_datetime.mat", id="object-references-and-complex"),
        pytest.param(
            "hdf5/jamesmudd__jhdf/compound_datasets_earliest.hdf5", id="records-of-records-and-strings"
        ),
        pytest.param("hdf5/brtnfld__hdf5/h5copytst_new.h5", id="records-of-fixed-strings"),
        pytest.param(
            "netcdf4/Ouranosinc__xclim-testdata/daily_surface_cancities_1990-1993.nc", id="non-ascii-strings"
        ),
    ],
)
def test_value_hash_agrees_with_the_expected_values(path: str) -> None:
    expected = expected_values(path).hashes
    assert expected
    assert h5py_hashes(corpus_file(path), iter(expected)) == expected


@pytest.mark.corpus
@pytest.mark.parametrize("entry", corpus_params(["hdf5", "netcdf4", "nwb"], with_values=True))
def test_every_hdf5_file_hashes_as_expected(entry: CorpusEntry) -> None:
    expected = expected_values(entry.path).hashes
    assert h5py_hashes(entry.location, iter(expected)) == expected


def test_value_hash_ignores_byte_order_and_memory_layout() -> None:
    values = np.arange(12, dtype="<i4").reshape(3, 4)
    assert value_hash(values.astype(">i4")) == value_hash(values)
    assert value_hash(np.asfortranarray(values)) == value_hash(values)


def test_value_hash_tells_values_and_dtypes_apart() -> None:
    values = np.arange(12, dtype="i4")
    changed = values.copy()
    changed[5] += 1
    assert len({value_hash(values), value_hash(changed), value_hash(values.astype("i8"))}) == 3
