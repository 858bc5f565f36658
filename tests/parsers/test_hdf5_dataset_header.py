"""Datasets told from the bytes of object headers, beside what the library tells of them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.corpus import CorpusEntry, corpus_params
from tests.parsers.reading import parse
from vzlab.errors import VzlabError
from vzlab.manifests import ManifestGroup
from vzlab.parsers.hdf5.dataset_header import DatasetHeader, dataset_header
from vzlab.parsers.hdf5.object_header import FileBytes, messages
from vzlab.storage import as_registry


def told(dataset: Any, path: Path) -> DatasetHeader | None:
    file = FileBytes.of(dataset.file.id, as_registry(None).open(str(path)))
    return dataset_header(file, messages(file, h5py.h5o.get_info(dataset.id).addr))


def found_or_refused(path: Path) -> ManifestGroup | str:
    try:
        found = parse(path)
    except VzlabError as error:
        return str(error)
    return replace(
        found,
        groups={name: replace(group, index_decoder="") for name, group in found.groups.items()},
        index_decoder="",
    )


def assert_as_the_library_tells(path: Path) -> None:
    """Compare the tree with that of a file which somebody has open: the library is asked for everything then."""
    found = found_or_refused(path)
    with h5py.File(path):
        expected = found_or_refused(path)
    assert found == expected


def new_dataset(file: Any, name: str, dtype: Any, shape: Any = (4, 6), **creation_options: Any) -> None:
    """A dataset with what h5py's own call has no option for."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    for option, value in creation_options.items():
        getattr(creation, f"set_{option}")(value)
    space = h5py.h5s.create_simple(shape)
    h5py.h5d.create(
        file.id, name.encode(), h5py.h5t.py_create(np.dtype(dtype), logical=True), space, creation
    )


@pytest.mark.parametrize("libver", ["earliest", "v108", "v110", "latest"])
@pytest.mark.parametrize("userblock", [0, 512])
def test_plain_datasets_are_told_by_their_headers(tmp_path: Path, libver: str, userblock: int) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver=libver, userblock_size=userblock) as file:
        file["contiguous"] = np.arange(6.0).reshape(2, 3)
        file["scalar"] = np.int16(3)
        file.create_dataset("unwritten", (4,), "f4", fillvalue=-1)
        file.create_dataset(
            "chunked", data=np.arange(12, dtype=">i2"), chunks=(5,), maxshape=(None,), fillvalue=7
        )
        packed: dict[str, Any] = {"compression": "gzip", "shuffle": True, "fletcher32": True}
        file.create_dataset("packed", data=np.ones((4, 4)), chunks=(2, 2), maxshape=(9, 4), **packed)
        file.create_dataset("scaled", data=np.arange(9), chunks=(3,), scaleoffset=0)
        file.create_dataset("lzf", data=np.arange(9), chunks=(3,), compression="lzf")
        # The library's own words for what nobody filled.
        new_dataset(file, "never", "i4", fill_time=h5py.h5d.FILL_TIME_NEVER, fill_value=np.array(5, "i4"))
        new_dataset(file, "early", "i4", alloc_time=h5py.h5d.ALLOC_TIME_EARLY, fill_value=np.array(5, "i4"))
        names = list(file)
    with h5py.File(path) as file:
        assert [name for name in names if told(file[name], path) is None] == []
    assert_as_the_library_tells(path)
    assert parse(path)["unwritten"].metadata.fill_value == -1.0


def test_what_is_not_plain_is_left_to_the_library(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["named type"] = np.dtype("i4")
        file.create_dataset("of a named type", (3,), file["named type"])
        file["texts"] = ["a", "b"]
        file["fixed texts"] = np.array([b"a", b"bc"])
        file["record"] = np.zeros(2, [("a", "i4"), ("b", "f8")])
        file["flag"] = np.array([True, False])
        file["null"] = h5py.Empty("f8")
        file.create_dataset("external", (4,), "i4", external=[("raw.bin", 0, 16)])
        new_dataset(file, "compact", "i4", layout=h5py.h5d.COMPACT)
        bits = h5py.h5t.NATIVE_INT32.copy()
        bits.set_precision(20)
        h5py.h5d.create(file.id, b"bits", bits, h5py.h5s.create_simple((3,)))
        names = [name for name in file if isinstance(file[name], h5py.Dataset)]
    with h5py.File(path) as file:
        assert [name for name in names if told(file[name], path) is not None] == []
    assert_as_the_library_tells(path)


def test_a_message_that_ends_early_is_left_to_the_library(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.arange(9), chunks=(3,), compression="gzip", fillvalue=3)
    with h5py.File(path) as file:
        file_bytes = FileBytes.of(file.id, as_registry(None).open(str(path)))
        header = messages(file_bytes, h5py.h5o.get_info(file["x"].id).addr)
        assert dataset_header(file_bytes, header) is not None
        for at, (kind, flags, body) in enumerate(header):
            if kind in (0x01, 0x03, 0x08):
                cut = [*header[:at], (kind, flags, body[:7]), *header[at + 1 :]]
                assert dataset_header(file_bytes, cut) is None
            # Two of a kind, and what is kept elsewhere.
            if kind in (0x01, 0x03, 0x05, 0x08, 0x0B):
                assert dataset_header(file_bytes, [*header, header[at]]) is None
                assert dataset_header(file_bytes, [*header[:at], (kind, 2, body), *header[at + 1 :]]) is None


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_dataset(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    draw = data.draw
    dtype = draw(st.one_of(npst.integer_dtypes(endianness="?"), npst.floating_dtypes(endianness="?")))
    shape = draw(st.lists(st.integers(0, 7), max_size=3).map(tuple))
    options: dict[str, Any] = {}
    if draw(st.booleans()):
        options["fillvalue"] = draw(npst.from_dtype(dtype))
    if shape and 0 not in shape and draw(st.booleans()):
        options |= {
            "chunks": tuple(draw(st.integers(1, n)) for n in shape),
            "maxshape": tuple(draw(st.sampled_from([None, n, n + 3])) for n in shape),
            "compression": draw(st.sampled_from([None, "gzip", "lzf"])),
            "shuffle": draw(st.booleans()),
            "fletcher32": draw(st.booleans()),
        }
    libver = draw(st.sampled_from(["earliest", "v108", "v110", "v114", "latest"]))
    path = tmp_path_factory.mktemp("any") / "x.h5"
    with h5py.File(path, "w", libver=libver, userblock_size=draw(st.sampled_from([0, 1024]))) as file:
        dataset = file.create_dataset("x", shape, dtype, **options)
        if draw(st.booleans()):
            dataset[...] = 1
        dataset.attrs.update(dict.fromkeys(draw(st.lists(st.sampled_from("zyxwÄ"), unique=True)), 1))
    with h5py.File(path) as file:
        assert told(file["x"], path) is not None
    assert_as_the_library_tells(path)


def test_a_changed_byte_in_a_header_is_told_as_the_library_tells_it(tmp_path: Path) -> None:
    path, copy = tmp_path / "x.h5", tmp_path / "damaged.h5"
    # Without attributes: the library itself may crash where these are damaged.
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "x", data=np.arange(9), chunks=(3,), compression="gzip", fillvalue=3, maxshape=(None,)
        )
    with h5py.File(path) as file:
        start = h5py.h5o.get_info(file["x"].id).addr
    raw = path.read_bytes()
    rng = np.random.default_rng(0)
    for at in range(start, start + 270, 5):
        changed = bytearray(raw)
        changed[at] ^= int(rng.integers(1, 256))
        copy.write_bytes(changed)
        with suppress(OSError, RuntimeError):
            assert_as_the_library_tells(copy)


@pytest.mark.corpus
@pytest.mark.parametrize("entry", corpus_params(["hdf5", "netcdf4", "nwb"], with_values=True))
def test_real_files(entry: CorpusEntry) -> None:
    with suppress(OSError):
        assert_as_the_library_tells(entry.location)
