"""netCDF-3 beside the netCDF library and scipy: every type, layout and kind; requests; what is damaged."""

from __future__ import annotations

import pickle
import struct
import warnings
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import obstore
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore
from scipy.io import netcdf_file

import vzlab as vz
from tests.parsers.reading import assert_values_equal, read
from vzlab.detection import detect_format
from vzlab.errors import CorruptFileError, UnsupportedFormatError, VzlabError
from vzlab.manifests import ManifestGroup
from vzlab.parsers import NetCDF3Parser, parser_for
from vzlab.parsers.contiguous import split_length
from vzlab.storage import RequestLog, StoreRegistry

KINDS = ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"]
CLASSIC_TYPES = ["i1", "S1", "i2", "i4", "f4", "f8"]
CDF5_TYPES = [*CLASSIC_TYPES, "u1", "u2", "u4", "i8", "u8"]


def some_values(dtype: str, shape: tuple[int, ...]) -> Any:
    numbers = np.arange(1, 1 + int(np.prod(shape))).reshape(shape)
    return (numbers % 26 + 97).astype("u1").view("S1") if dtype == "S1" else numbers.astype(dtype)


def write_every_type(path: Path, kind: str, n_records: int) -> None:
    with netCDF4.Dataset(path, "w", format=kind) as file:
        file.createDimension("time", None)
        file.createDimension("y", 3)
        file.createDimension("x", 5)
        for dtype in CDF5_TYPES if kind == KINDS[2] else CLASSIC_TYPES:
            for name, dims, shape in (
                ("scalar", (), ()),
                ("fixed", ("y", "x"), (3, 5)),
                ("records", ("time", "x"), (n_records, 5)),
                ("series", ("time",), (n_records,)),
            ):
                variable = file.createVariable(f"{name}_{dtype}", dtype, dims)
                variable[...] = some_values(dtype, shape)
                if dtype != "S1":
                    variable.setncattr("one", np.array([7], dtype))
                    variable.setncattr("several", np.array([1, 2, 3], dtype))
        file.title = "Grüße"
        file.setncattr("none", np.zeros(0))


def assert_same_as_netcdf4(path: Path, **options: Any) -> ManifestGroup:
    """Parse a file, and fail unless variables, values, names of dimensions and attributes are those of the netCDF library."""
    group = NetCDF3Parser(**options)(path)
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        file.set_auto_chartostring(False)
        assert list(group.arrays) == list(file.variables)
        assert_attributes_equal(group.attributes, file)
        for name, variable in file.variables.items():
            array = group[name]
            assert_values_equal(read(array, name), variable[...])
            assert array.metadata.dimension_names == variable.dimensions
            assert_attributes_equal(array.metadata.attributes, variable)
    return group


def assert_attributes_equal(found: Any, holder: Any) -> None:
    assert list(found) == list(holder.ncattrs())
    for name, value in found.items():
        np.testing.assert_array_equal(value, holder.getncattr(name))


@pytest.mark.parametrize("n_records", [0, 1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_every_type_and_layout(tmp_path: Path, kind: str, n_records: int) -> None:
    path = tmp_path / "all.nc"
    write_every_type(path, kind, n_records)
    group = assert_same_as_netcdf4(path)
    assert parser_for(detect_format(path)) is NetCDF3Parser
    records = group["records_i2"]
    assert records.metadata.chunks == (1, 5)
    assert records.manifest.n_chunks == n_records
    assert records.manifest.n_missing == 0
    assert pickle.loads(pickle.dumps(group)) == group


def test_scipy_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "all.nc"
    write_every_type(path, KINDS[1], 3)
    group = NetCDF3Parser()(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        file = netcdf_file(path, mmap=False, maskandscale=False)
    for name, variable in file.variables.items():
        # scipy joins the records of text into strings.
        if not name.endswith("S1"):
            assert_values_equal(read(group[name], name), np.asarray(variable[...]))
    file.close()


@pytest.mark.parametrize("dtype", CLASSIC_TYPES)
def test_the_records_of_a_single_variable_are_not_padded(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "single.nc"
    with netCDF4.Dataset(path, "w", format=KINDS[0]) as file:
        file.createDimension("t", None)
        file.createDimension("x", 5)
        file.createVariable("fixed", "i1", ("x",))[:] = 1
        file.createVariable("only", dtype, ("t", "x"))[...] = some_values(dtype, (7, 5))
    only = assert_same_as_netcdf4(path)["only"]
    distances = np.diff(only.manifest.offsets[:, 0])
    assert set(distances.tolist()) == {5 * np.dtype(dtype).itemsize}


def test_two_record_variables_are_padded(tmp_path: Path) -> None:
    path = tmp_path / "two.nc"
    with netCDF4.Dataset(path, "w", format=KINDS[0]) as file:
        file.createDimension("t", None)
        file.createDimension("x", 5)
        for name, dtype in (("a", "i1"), ("b", "i2")):
            file.createVariable(name, dtype, ("t", "x"))[...] = some_values(dtype, (7, 5))
    group = assert_same_as_netcdf4(path)
    assert set(np.diff(group["a"].manifest.offsets[:, 0]).tolist()) == {8 + 12}


@pytest.mark.parametrize("kind", KINDS)
def test_a_streamed_file_has_as_many_records_as_fit(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "streamed.nc"
    write_every_type(path, kind, 4)
    plain = NetCDF3Parser()(path)
    raw = path.read_bytes()
    width = 8 if kind == KINDS[2] else 4
    # An incomplete record at the end, as of a stream that broke off, does not count.
    path.write_bytes(raw[:4] + b"\xff" * width + raw[4 + width :] + b"\0" * 7)
    streamed = NetCDF3Parser()(path)
    assert streamed["series_f8"].shape == (4,)
    for name, array in plain.arrays.items():
        assert_values_equal(read(streamed[name], name), read(array, name))


def test_a_name_ends_at_a_nul(tmp_path: Path) -> None:
    path = tmp_path / "renamed.nc"
    with netCDF4.Dataset(path, "w", format=KINDS[0]) as file:
        file.createDimension("x", 5)
        file.createVariable("abc", "i2", ("x",))[:] = range(5)
    # As the library renames in place: the length of the name stays.
    path.write_bytes(path.read_bytes().replace(b"\0\0\0\3abc", b"\0\0\0\3yy\0"))
    assert list(assert_same_as_netcdf4(path).arrays) == ["yy"]


def test_padding_after_the_last_value_may_lack(tmp_path: Path) -> None:
    path = tmp_path / "short.nc"
    with netCDF4.Dataset(path, "w", format=KINDS[0]) as file:
        file.createDimension("x", 5)
        file.createVariable("a", "i1", ("x",))[:] = range(5)
    path.write_bytes(path.read_bytes()[:-3])
    assert_same_as_netcdf4(path)


@pytest.mark.parametrize(
    ("n", "step_bytes", "minimum", "expected"),
    [
        (12, 259_200, 65_536, 1),
        (12, 1000, 65_536, 12),
        (1000, 1000, 65_536, 100),
        (1009, 8192, 65_536, 1009),
        (100_003, 8192, 65_536, 1),
        (100_003, 8, 65_536, 100_003),
        (12, 259_200, None, 12),
    ],
)
def test_how_many_steps_make_a_chunk(n: int, step_bytes: int, minimum: int | None, expected: int) -> None:
    assert split_length(n, step_bytes, minimum) == expected


def test_a_time_step_of_a_large_fixed_variable_is_one_chunk(tmp_path: Path) -> None:
    path = tmp_path / "large.nc"
    with netCDF4.Dataset(path, "w", format=KINDS[0]) as file:
        for name, n in (("time", 4), ("y", 100), ("x", 200)):
            file.createDimension(name, n)
        file.createVariable("v", "f4", ("time", "y", "x"))[:] = some_values("f4", (4, 100, 200))
    assert assert_same_as_netcdf4(path)["v"].metadata.chunks == (1, 100, 200)
    assert assert_same_as_netcdf4(path, min_chunk_bytes=None)["v"].metadata.chunks == (4, 100, 200)


def test_fill_values_are_those_of_the_library(tmp_path: Path) -> None:
    path = tmp_path / "fill.nc"
    with netCDF4.Dataset(path, "w", format=KINDS[2]) as file:
        file.createDimension("x", 2)
        for dtype in CDF5_TYPES:
            file.createVariable(f"default_{dtype}", dtype, ("x",))
        file.createVariable("own", "i2", ("x",), fill_value=-5)
    group = assert_same_as_netcdf4(path)
    for name, array in group.arrays.items():
        assert array.metadata.fill_scalar == read(array, name)[0]


def test_dropped_variables_and_groups(tmp_path: Path) -> None:
    path = tmp_path / "all.nc"
    write_every_type(path, KINDS[0], 1)
    assert "fixed_i4" not in NetCDF3Parser(drop_variables=["fixed_i4"])(path).arrays
    with pytest.raises(KeyError, match="there are no groups"):
        NetCDF3Parser(group="g")(path)
    loaded = NetCDF3Parser().load_variable(path, None, "records_i2")
    assert_values_equal(loaded.values, some_values("i2", (1, 5)))
    with pytest.raises(KeyError, match="absent"):
        NetCDF3Parser().load_variable(path, None, "absent")


# -- requests ---------------------------------------------------------------------------------------------------------


def in_memory(content: bytes) -> tuple[StoreRegistry, RequestLog]:
    store = MemoryStore()
    obstore.put(store, "f.nc", content)
    log = RequestLog()
    return StoreRegistry({"memory://bucket": store}, log=log), log


def test_a_remote_file_takes_one_request(tmp_path: Path) -> None:
    path = tmp_path / "large.nc"
    with netCDF4.Dataset(path, "w", format=KINDS[1]) as file:
        file.createDimension("time", None)
        file.createDimension("x", 250_000)
        file.createVariable("v", "f8", ("time", "x"))[:] = np.zeros((3, 250_000))
    registry, log = in_memory(path.read_bytes())
    assert NetCDF3Parser()("memory://bucket/f.nc", registry)["v"].shape == (3, 250_000)
    assert [request.length for request in log.requests] == [65_536]


def test_a_coordinate_along_the_records_is_read_by_one_request(tmp_path: Path) -> None:
    path = tmp_path / "records.nc"
    with netCDF4.Dataset(path, "w", format=KINDS[1]) as file:
        file.createDimension("time", None)
        file.createDimension("x", 500)
        file.createVariable("time", "f8", ("time",))[:] = np.arange(400.0)
        file.createVariable("v", "f4", ("time", "x"))[:] = np.zeros((400, 500))
    registry, log = in_memory(path.read_bytes())
    dataset = vz.open_virtual_dataset("memory://bucket/f.nc", registry=registry)
    np.testing.assert_array_equal(dataset.time, np.arange(400.0))
    # The header, and one range over all records, each of which holds eight bytes of it.
    assert [request.kind for request in log.requests] == ["open", "chunk"]
    assert log.requests[1].length == 399 * (8 + 4 * 500) + 8


def test_a_long_header_is_read_in_ranges_that_double(tmp_path: Path) -> None:
    path = tmp_path / "long.nc"
    with netCDF4.Dataset(path, "w", format=KINDS[1]) as file:
        file.createDimension("x", 250_000)
        for i in range(400):
            file.createVariable(f"v{i}", "f8", ()).comment = "?" * 1000
        file.createVariable("data", "f8", ("x",))[:] = 1
    registry, log = in_memory(path.read_bytes())
    assert len(NetCDF3Parser()("memory://bucket/f.nc", registry).arrays) == 401
    assert [request.length for request in log.requests] == [1 << 16, 1 << 16, 1 << 17, 1 << 18]


# -- damage -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One file of each kind, with records."""
    contents = {}
    for kind in KINDS:
        path = tmp_path_factory.mktemp("sound") / "f.nc"
        with netCDF4.Dataset(path, "w", format=kind) as file:
            file.createDimension("time", None)
            file.createDimension("x", 5)
            file.title = "a title"
            for name, dtype, dims in (
                ("f", "i2", ("x",)),
                ("r", "i1", ("time", "x")),
                ("s", "f8", ("time",)),
            ):
                variable = file.createVariable(name, dtype, dims)
                variable[...] = some_values(dtype, (3, 5)[-len(dims) :] if name != "s" else (3,))
                variable.units = "m"
        contents[kind] = path.read_bytes()
    return contents


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_ends_early_is_refused(tmp_path: Path, sound: dict[str, bytes], kind: str) -> None:
    path = tmp_path / "cut.nc"
    whole = sound[kind]
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises((CorruptFileError, UnsupportedFormatError), match=r"cut\.nc"):
            NetCDF3Parser()(path)


def test_what_lies_before_the_cut_can_be_had_by_dropping_the_rest(
    tmp_path: Path, sound: dict[str, bytes]
) -> None:
    path = tmp_path / "cut.nc"
    path.write_bytes(sound[KINDS[0]][:-1])
    with pytest.raises(CorruptFileError, match=r"Variable 's' should lie at byte .* in 3 records .*drop"):
        NetCDF3Parser()(path)
    group = NetCDF3Parser(drop_variables=["s"])(path)
    assert_values_equal(read(group["r"], "r"), some_values("i1", (3, 5)))


def header(*parts: int | bytes) -> bytes:
    """A CDF-1 file of 4-byte numbers and bytes."""
    return b"CDF\x01" + b"".join(p if isinstance(p, bytes) else struct.pack(">I", p) for p in parts)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(header(0, 10, 0xFFFFFFFF), "counts 4,294,967,295 dimensions", id="billion-dimensions"),
        pytest.param(header(0, 10, 1, 0xFFFFFFF0, 0), "the file ends at byte", id="billion-byte-name"),
        pytest.param(header(0, 10, 1, 0, 5, 0, 0, 0), "a dimension has an empty name", id="empty-name"),
        pytest.param(header(0, 11, 1, 0, 5), "has the tag 0xb, expected 0xa", id="wrong-tag"),
        pytest.param(
            header(0, 0, 0, 12, 1, 1, b"a\0\0\0", 7, 1, 1), "of type 7, which CDF-1 does not have", id="type"
        ),
        pytest.param(
            header(0, 0, 0, 0, 0, 11, 1, 1, b"v\0\0\0", 1, 3, 0, 0, 4, 4, 80),
            r"over dimensions \[3\], and there are 0",
            id="unknown-dimension",
        ),
        pytest.param(
            header(0, 0, 0, 0, 0, 11, 1, 1, b"v\0\0\0", 0, 0, 0, 4, 4, 8, 0),
            "where the header ends only at byte",
            id="data-in-the-header",
        ),
        pytest.param(
            header(4000000000, 10, 1, 1, b"t\0\0\0", 0, 0, 0, 11, 1, 1, b"v\0\0\0", 1, 0, 0, 0, 1, 1, 80, 0),
            "in 4,000,000,000 records",
            id="billion-records",
        ),
        pytest.param(
            header(0, 10, 3, 1, b"t\0\0\0", 0, 1, b"y\0\0\0", 0x7FFFFFFF, 1, b"x\0\0\0", 0x7FFFFFFF, 0, 0)
            + header(11, 1, 1, b"v\0\0\0", 3, 0, 1, 2, 0, 0, 6, 0, 200)[4:],
            "each record should have 36893488113059364872 bytes",
            id="no-records-of-endless-length",
        ),
    ],
)
def test_headers_that_make_no_sense_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.nc"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=message):
        NetCDF3Parser()(path)


def test_more_dimensions_than_numpy_has_lose_one_variable(tmp_path: Path) -> None:
    path = tmp_path / "deep.nc"
    dims = header(0, 10, 1, 1, b"x\0\0\0", 1, 0, 0, 11, 2)
    deep = [1, b"v\0\0\0", 65, *[0] * 65, 0, 0, 4, 4, 500]
    flat = [1, b"w\0\0\0", 1, 0, 0, 0, 4, 4, 504]
    path.write_bytes((dims + header(*deep, *flat)[4:]).ljust(508, b"\1"))
    group = NetCDF3Parser()(path)
    assert "65 dimensions" in group.unreadable["v"].reason
    assert read(group["w"], "w").tolist() == [0x01010101]


@settings(max_examples=100, deadline=20_000, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(KINDS),
    changes=st.lists(
        st.tuples(st.integers(4, 330), st.sampled_from([0, 1, 2, 4, 0x7F, 0x80, 0xFF])),
        min_size=1,
        max_size=3,
    ),
)
def test_a_changed_header_is_refused_or_reads_as_the_library_reads_it(
    tmp_path: Path, sound: dict[str, bytes], kind: str, changes: list[tuple[int, int]]
) -> None:
    raw = bytearray(sound[kind])
    for at, value in changes:
        raw[at % len(raw)] = value
    path = tmp_path / "changed.nc"
    path.write_bytes(raw)
    try:
        group = NetCDF3Parser()(path)
    except VzlabError:
        return
    try:
        file = netCDF4.Dataset(path)
    except (OSError, RuntimeError, UnicodeDecodeError):
        return
    with file:
        file.set_auto_maskandscale(False)
        file.set_auto_chartostring(False)
        for name, array in group.arrays.items():
            if name in file.variables:
                assert_values_equal(read(array, name), file[name][...])
