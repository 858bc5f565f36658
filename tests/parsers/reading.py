"""Values of virtual arrays beside what h5py reads of the same file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.parsers import HDF5Parser
from vzlab.storage import as_registry, read_array


def parse(path: Path | str, **options: Any) -> ManifestGroup:
    """Parse a local file."""
    return HDF5Parser(**options)(path)


def read(array: ManifestArray, name: str = "x") -> Any:
    """Stored values of a virtual array."""
    return read_array(array, as_registry(None), name=name)


def assert_values_equal(found: Any, expected: Any) -> None:
    """Fail unless two arrays are equal, NaN being equal to NaN, records member by member."""
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    if expected.dtype.names is not None:
        for name in expected.dtype.names:
            assert_values_equal(found[name], expected[name])
        return
    if expected.dtype.kind == "O" or found.dtype.kind in "TO":
        texts = [v.decode() if isinstance(v, bytes) else v for v in expected.reshape(-1).tolist()]
        assert found.reshape(-1).tolist() == texts
        return
    assert found.dtype == expected.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, expected)


def assert_same_as_h5py(path: Path, **options: Any) -> ManifestGroup:
    """Parse a file, and fail unless every dataset in it is virtual and reads as h5py reads it."""
    group = parse(path, **options)
    arrays = dict(group.walk_arrays())
    with h5py.File(path) as file:
        expected: dict[str, Any] = {}

        def note(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                expected[name] = item[()]

        file.visititems(note)
    assert set(expected) <= set(arrays), {
        name: u.reason for _, part in group.walk() for name, u in part.unreadable.items()
    }
    for name, values in expected.items():
        assert_values_equal(read(arrays[name]), values)
    return group
