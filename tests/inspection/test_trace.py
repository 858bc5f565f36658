"""One value from its bytes to its number, beside what h5py and netCDF4 read; no request beyond its chunk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr

import vzlab as vz
from tests.archives import DailyFile, write_daily_file, write_daily_files
from tests.corpus import CorpusEntry, corpus_params
from tests.inspection.arrays import virtual_array
from vzlab.errors import CodecError, UnreachableChunkError, VirtualArrayError, VzlabError
from vzlab.inspection.trace import Trace, trace

NUMBERS = np.arange(35, dtype="<i4").reshape(5, 7) * 1001


def partial_chunks(**options: Any) -> Callable[[h5py.File], None]:
    """A 5 by 7 array in chunks of 2 by 3: the last ones are stored at full length."""

    def write(file: h5py.File) -> None:
        file.create_dataset("x", data=NUMBERS, chunks=(2, 3), **options)

    return write


def holding(values: Any, **options: Any) -> Callable[[h5py.File], None]:
    def write(file: h5py.File) -> None:
        file.create_dataset("x", data=values, **options)

    return write


def compact(file: h5py.File) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((5, 7))
    dataset = h5py.h5d.create(file.id, b"x", h5py.h5t.STD_I32LE, space, plist)
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(NUMBERS))


def sparse(file: h5py.File) -> None:
    dataset = file.create_dataset("x", (6, 6), "<i2", chunks=(3, 3), fillvalue=-9, compression="gzip")
    dataset[:3, :3] = 4


def elements_that_are_arrays(file: h5py.File) -> None:
    dataset = file.create_dataset("x", (4,), np.dtype(("<i4", (2, 3))), chunks=(3,), compression="gzip")
    dataset[...] = np.arange(24).reshape(4, 2, 3)


RECORDS = np.array([(1, 2.5), (-3, 4.5)], dtype=[("a", "<i2"), ("b", "<f8")])
FILES: dict[str, Callable[[h5py.File], None]] = {
    "deflate": partial_chunks(compression="gzip"),
    "shuffle, deflate, fletcher32": partial_chunks(compression="gzip", shuffle=True, fletcher32=True),
    "shuffle alone": partial_chunks(shuffle=True),
    "lzf": partial_chunks(compression="lzf", shuffle=True),
    "scaleoffset": partial_chunks(scaleoffset=0),
    "not compressed": partial_chunks(),
    "contiguous": holding(NUMBERS),
    "big-endian": holding(NUMBERS.astype(">f8") / 7, chunks=(5, 7), shuffle=True),
    "bytes": holding(NUMBERS.astype("u1"), chunks=(2, 3), shuffle=True),
    "compact": compact,
    "missing chunks": sparse,
    "scalar": holding(np.float32(1.5)),
    "records": holding(RECORDS),
    "text of a fixed length": holding(np.array([b"abc", b"de"], "S5")),
    "text of any length": holding(np.array(["é", "longer"], dtype=object), dtype=h5py.string_dtype()),
    "elements that are arrays": elements_that_are_arrays,
    "complex": holding(np.array([1 + 2j, 3j])),
}


@pytest.fixture(params=FILES, ids=str)
def file(request: Any, tmp_path: Path) -> Path:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as target:
        FILES[request.param](target)
    return path


def assert_only_its_chunk_was_read(traced: Trace) -> None:
    chunk = traced.chunk
    for request in traced.requests:
        assert request.url == chunk.url
        assert chunk.offset <= request.offset
        assert request.offset + request.length <= chunk.offset + chunk.length


def test_values_are_those_that_h5py_reads(file: Path) -> None:
    group = vz.open_group(file)
    with h5py.File(file) as native:
        values = native["x"][()]
    # Every fourth, and the last: corners, edges and insides of chunks.
    for index in [*list(np.ndindex(np.shape(values)))[::4], tuple(n - 1 for n in np.shape(values))]:
        for traced in (trace(file, "x", index, native=False), trace(group, "x", index)):
            expected = values[index]
            if isinstance(expected, bytes):
                expected = expected.decode()
            found = traced.stored.decode() if isinstance(traced.stored, bytes) else traced.stored
            assert found == expected
            assert_only_its_chunk_was_read(traced)
            json.dumps(traced.to_dict(), allow_nan=False)
        if traced.chunk.state == "virtual" and traced.place.element is not None:
            assert traced.agrees is True
            assert traced.native is not None
            assert traced.native.index == index
    assert trace(file, "x", index).agrees is True


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_a_file_that_is_open_already_is_asked_too(engine: Any, tmp_path: Path) -> None:
    path = write_daily_file(tmp_path / "sst.nc")
    with xr.open_dataset(path, engine=engine) as opened:
        traced = trace(path, "sst", (0, 1, 2))
        assert traced.agrees is True
        assert traced.value.decoded == opened.sst.values[0, 1, 2]


def test_the_bytes_of_the_value_are_where_they_are_said_to_be(tmp_path: Path) -> None:
    """Shuffled but not compressed: each byte has a place of its own in the file."""
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as target:
        FILES["shuffle alone"](target)
    traced = trace(path, "x", (3, 4))
    assert traced.place.index == (1, 1)
    assert traced.place.byte_offset == 4 * 4
    positions = traced.place.stored_positions
    assert positions == (4, 10, 16, 22)
    content = path.read_bytes()
    found = bytes(content[traced.chunk.offset + position] for position in positions)
    assert found == NUMBERS[3, 4].tobytes()
    (unshuffle, _) = traced.steps
    assert [move.after for move in unshuffle.moves] == [16, 17, 18, 19]
    assert bytes(move.byte for move in unshuffle.moves) == found
    for plane, byte in zip(unshuffle.planes, found, strict=True):
        assert plane.data[plane.marked[0] - plane.start] == byte


def test_decoded_values_are_those_of_netcdf4(tmp_path: Path) -> None:
    path = write_daily_file(tmp_path / "day.nc")
    with netCDF4.Dataset(path) as native:
        expected = native["sst"][1, 3, 7]
        masked = native["sst"][1, 0, 0]
        moment = netCDF4.num2date(native["time"][2], native["time"].units)
    traced = trace(path, "sst", (1, 3, 7))
    assert traced.decoded == pytest.approx(float(expected))
    assert traced.agrees is True
    missing = trace(path, "sst", (1, 0, 0))
    assert masked is np.ma.masked
    assert missing.value.is_missing
    assert np.isnan(missing.decoded)
    assert missing.agrees is True
    time = trace(path, "time", 2)
    assert str(time.decoded).startswith(moment.isoformat())
    assert time.agrees is True


@pytest.mark.parametrize(
    ("values", "attributes", "stored", "decoded"),
    [
        pytest.param([200, 255], {"_Unsigned": "false"}, 200, -56, id="unsigned read with a sign"),
        pytest.param([-56, 3], {"_Unsigned": "true", "_FillValue": np.int8(-1)}, -56, 200, id="_Unsigned"),
        pytest.param(
            [-1, 3], {"_Unsigned": "true", "_FillValue": np.int8(-1)}, -1, np.nan, id="_Unsigned fill"
        ),
        pytest.param([5, 7], {"missing_value": np.int8(5)}, 5, np.nan, id="missing_value"),
        pytest.param([np.nan, 1.0], {}, np.nan, np.nan, id="NaN"),
        pytest.param([0.1, 1.0], {"scale_factor": 10.0}, 0.1, 1.0, id="scaled floats"),
    ],
)
def test_values_are_decoded_as_xarray_decodes_them(
    tmp_path: Path, values: Any, attributes: dict[str, Any], stored: Any, decoded: float
) -> None:
    path = tmp_path / "x.nc"
    dtype = "f8" if isinstance(values[1], float) else "u1" if values[0] > 127 else "i1"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", data=np.array(values, dtype))
        dataset.attrs.update(attributes)
    traced = trace(path, "x", 0)
    np.testing.assert_equal(traced.stored, np.array(stored, dtype))
    assert traced.decoded == pytest.approx(decoded, nan_ok=True)
    assert traced.agrees is True


def test_a_valid_range_that_is_no_number_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "range.nc"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(5)
        file["x"].attrs["valid_min"] = "low"
        file["x"].attrs["valid_max"] = 3
    assert any("valid range" in step.title for step in trace(path, "x", 4).value_steps)
    assert not any("valid range" in step.title for step in trace(path, "x", 2).value_steps)


def test_a_changed_attribute_is_told(tmp_path: Path) -> None:
    path = write_daily_file(tmp_path / "day.nc")
    dataset = vz.open_virtual_dataset(path)
    assert trace(dataset, "sst", (1, 3, 7)).agrees is True
    dataset.sst.attrs["scale_factor"] = 0.1
    traced = trace(dataset, "sst", (1, 3, 7))
    assert traced.agrees is False
    assert "reads something else" in str(traced)


def test_a_value_of_a_cube_is_found_in_its_own_file(tmp_path: Path) -> None:
    paths = write_daily_files(tmp_path, n_days=3)
    cube = xr.concat(
        [vz.open_virtual_dataset(path) for path in paths], "time", combine_attrs="drop_conflicts"
    )
    traced = trace(cube, "sst", (9, -1, -1))
    assert traced.native is not None
    assert (traced.native.file, traced.native.index) == (paths[2].name, (1, 9, 19))
    assert traced.agrees is True
    with h5py.File(paths[2]) as file:
        assert traced.stored == file["sst"][1, 9, 19]


def lengths(paths: list[Path]) -> xr.Dataset:
    """Joined along a dimension of which each file has five, in chunks of two: their last chunks are cropped."""
    datasets = [vz.open_virtual_dataset(path, loadable_variables=[]) for path in paths]
    return xr.concat(
        [dataset.rename({dataset.x.dims[0]: "a", dataset.x.dims[1]: "b"}) for dataset in datasets], "a"
    )


@pytest.mark.parametrize("layout", ["deflate", "not compressed", "contiguous"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda cube: cube, id="as joined"),
        pytest.param(lambda cube: cube.expand_dims("new"), id="with an axis more"),
        pytest.param(lambda cube: cube.isel(b=slice(3, 6)), id="some columns"),
    ],
)
def test_crops_new_axes_and_parts_lead_back_to_the_file(
    tmp_path: Path, layout: str, change: Callable[[xr.Dataset], xr.Dataset]
) -> None:
    paths = []
    for number in range(2):
        paths.append(tmp_path / f"{number}.nc")
        with h5py.File(paths[-1], "w") as file:
            FILES[layout](file)
            file["x"][...] = NUMBERS + 7 * number
    cube = change(lengths(paths))
    expected = change(xr.Dataset({"x": (("a", "b"), np.concatenate([NUMBERS, NUMBERS + 7]))})).x.values
    for index in list(np.ndindex(expected.shape))[::3]:
        traced = trace(cube, "x", index)
        assert traced.stored == expected[index]
        assert traced.agrees is True
        assert_only_its_chunk_was_read(traced)


def test_a_transposed_array_leads_back_to_the_file(tmp_path: Path) -> None:
    path = write_daily_file(tmp_path / "day.nc")
    turned = vz.open_virtual_dataset(path).transpose("lon", "time", "lat")
    traced = trace(turned, "sst", (13, 2, 4))
    with h5py.File(path) as file:
        assert traced.stored == file["sst"][2, 4, 13]
    assert traced.place.stored_index == (0, 4, 3)
    assert [step.codec for step in traced.steps][-1] == "transpose"
    assert traced.native is not None
    assert traced.native.index == (2, 4, 13)
    assert traced.agrees is True


def test_a_renamed_variable_is_found_by_its_bytes(tmp_path: Path) -> None:
    path = write_daily_file(tmp_path / "day.nc")
    dataset = vz.open_virtual_dataset(path).rename(sst="temperature")
    traced = trace(dataset, "temperature", (0, 0, 1))
    assert traced.native is not None
    assert traced.native.path == "sst"
    assert traced.agrees is True


def test_anything_that_leads_to_an_array_is_traced(tmp_path: Path) -> None:
    path = write_daily_file(tmp_path / "day.nc")
    store = vz.open_manifest_store(path)
    index = (1, 3, 7)
    expected = trace(path, "sst", index).stored
    dataset = vz.open_virtual_dataset(path)
    subjects = [
        (str(path), "sst"), (store, "sst"), (store.group, "/sst"), (store.group["sst"], None), (dataset, "sst"),
        (dataset.sst, None), (dataset.sst.variable, None), (vz.open_virtual_datatree(path), "sst"),
        (zarr.open_group(store, mode="r"), "sst"), (zarr.open_array(store, path="sst", mode="r"), None),
    ]  # fmt: skip
    for subject, name in subjects:
        assert trace(subject, name, index).stored == expected


def test_variables_of_groups_are_named_by_path_or_group(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["a/b/x"] = NUMBERS
    for traced in (trace(path, "a/b/x", (1, 2)), trace(path, "x", (1, 2), group="a/b")):
        assert traced.variable == "a/b/x"
        assert traced.stored == NUMBERS[1, 2]
        assert traced.agrees is True


def test_of_a_large_chunk_that_is_not_compressed_a_few_bytes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    values = np.arange(2_000_000, dtype=">i4")
    with h5py.File(path, "w") as file:
        file["x"] = values
    traced = trace(path, "x", 1_234_567)
    assert traced.stored == 1_234_567
    assert traced.agrees is True
    assert_only_its_chunk_was_read(traced)
    assert sum(request.length for request in traced.requests) < 200
    assert traced.element is not None
    at = traced.element.marked[0] - traced.element.start
    assert traced.element.data[at : at + 4] == values[1_234_567:1_234_568].tobytes()
    for index in (0, 3, -1):
        assert trace(path, "x", index).agrees is True


def test_over_http_one_chunk_is_fetched_and_nothing_else(tmp_path: Path, http_server: Any) -> None:
    path = tmp_path / "x.nc"
    write_daily_file(
        path, DailyFile(n_lat=60, n_lon=600, chunks=(1, 30, 300), shuffle=False, compression_level=1)
    )
    server = http_server(tmp_path)
    group = vz.open_group(server.url("x.nc"))
    server.clear_requests()
    traced = trace(group, "sst", (3, 31, 301))
    chunk = traced.chunk
    assert [request.range for request in server.requests] == [
        f"bytes={chunk.offset}-{chunk.offset + chunk.length - 1}"
    ]
    assert len(traced.requests) == 1
    assert traced.agrees is None
    assert "not on this machine" in str(traced)
    again = trace(server.url("x.nc"), "sst", (3, 31, 301), native=False)
    assert again.stored == traced.stored
    assert again.native is None


def test_a_place_is_given_by_names_of_dimensions(tmp_path: Path) -> None:
    path = write_daily_file(tmp_path / "day.nc")
    expected = trace(path, "sst", (1, 3, 7))
    n_times, _, n_lons = expected.shape
    for index in (
        {"time": 1, "lat": 3, "lon": 7},
        {"lon": 7 - n_lons, "lat": np.int64(3), "time": 1 - n_times},
    ):
        named = trace(path, "sst", index)
        assert named.index == (1, 3, 7)
        assert named.stored == expected.stored
    virtual = vz.open_virtual_dataset(path)
    assert trace(virtual, "sst", {"time": 1, "lat": 3, "lon": 7}).stored == expected.stored
    # As xarray reads it, by the same names.
    with xr.open_dataset(path, engine="h5netcdf", mask_and_scale=False) as native:
        assert expected.stored == native.sst.isel(time=1, lat=3, lon=7)
    unnamed = virtual_array((1, 2), dims=("time", None))
    with pytest.raises(IndexError, match="None"):
        trace(unnamed, index={"time": 0})
    with pytest.raises(KeyError, match=r"no dimension 'latitude'; it has 'time', 'lat', 'lon'"):
        trace(path, "sst", {"time": 1, "latitude": 3, "lon": 7})
    with pytest.raises(IndexError, match=r"no index along lat of 'sst' of shape .*along time, lat, lon"):
        trace(path, "sst", {"time": 1, "lon": 7})
    with pytest.raises(IndexError, match=r"outside .*along time, lat, lon"):
        trace(path, "sst", {"time": 1, "lat": 3, "lon": n_lons})
    with pytest.raises(IndexError, match="follows one value"):
        trace(path, "sst", {"time": 1, "lat": 3, "lon": slice(2)})  # type: ignore[dict-item]


def test_what_cannot_be_traced_is_told(tmp_path: Path) -> None:
    path = write_daily_file(tmp_path / "day.nc")
    with pytest.raises(IndexError, match="expected 3"):
        trace(path, "sst", (0, 1))
    with pytest.raises(IndexError, match="outside"):
        trace(path, "sst", (0, 0, 20))
    with pytest.raises(IndexError, match="follows one value"):
        trace(path, "sst", (0, 0, slice(3)))  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="sst"):
        trace(path, "absent", 0)
    with pytest.raises(KeyError, match="here are"):
        trace(path)
    with pytest.raises(VirtualArrayError, match="loaded"):
        trace(vz.open_virtual_dataset(path), "time", 0)
    with pytest.raises(TypeError, match="expected a path"):
        trace(3, "x", 0)
    with pytest.raises(UnreachableChunkError, match=r"Chunk \(0, 0\)"):
        trace(virtual_array((2, 2)), "x", (0, 0))


def test_a_damaged_chunk_is_named(tmp_path: Path) -> None:
    path = write_daily_file(tmp_path / "day.nc")
    chunk = trace(path, "sst", (1, 3, 7)).chunk
    content = bytearray(path.read_bytes())
    content[chunk.offset : chunk.offset + chunk.length] = bytes(chunk.length)
    path.write_bytes(content)
    with pytest.raises(CodecError, match=r"Chunk \(1, 0, 0\) of 'sst' does not decode: .*zlib"):
        trace(path, "sst", (1, 3, 7))


GOLDEN = """\
sst[1, 3, 7] is 285.1 K: the native library reads the same.

chunk    (1, 0, 0) of 4 × 2 × 2
holds    time 1:2, lat 0:5, lon 0:10
file     {url}
bytes    {start:,} to {stop:,}: {length} bytes
request  1 range, {length} bytes, {took:.1f} ms
place    (0, 3, 7) in the chunk of 1 × 5 × 10: element 37, bytes 74 to 75 of the decoded bytes

stored bytes: the first 64 of {length}; compression leaves the value no place of its own
{dump}

inflate (level 4): {length} → 100 bytes
  {length} bytes become 100, {factor:.3g} times as many.

unshuffle (2-byte elements): 100 → 100 bytes
  Stored were the first bytes of all 50 elements, then the second ones, and so on: byte k of element e moves from k ×
  50 + e to e × 2 + k.
  the value's bytes 37 → 74: ab, 87 → 75: 04

read as numbers (little-endian): 100 → 100 bytes
  Every 2 bytes are one little-endian int16: 50 values.

stored         1195
mask           _FillValue -32767 means no data, and this is another number
scale, offset  1195 × 0.01 + 273.15 = 285.1
value          285.1 K
native         h5py {h5py} reads 1195 at sst[1, 3, 7] of day.nc; xarray decodes 285.1"""


def test_text_is_golden(tmp_path: Path) -> None:
    path = write_daily_file(tmp_path / "day.nc")
    traced = trace(path, "sst", (1, 3, 7))
    with h5py.File(path) as file:
        info = file["sst"].id.get_chunk_info_by_coord((1, 0, 0))
    stored = path.read_bytes()[info.byte_offset : info.byte_offset + info.size]
    dump = [f"{at:>8}  {stored[at : at + 16].hex(' ')}" for at in range(0, 64, 16)]
    took = 1000 * (traced.requests[0].ended_s - traced.requests[0].started_s)
    assert traced.to_text(width=119) == GOLDEN.format(
        url=path.as_uri(),
        start=info.byte_offset,
        stop=info.byte_offset + info.size,
        length=info.size,
        took=took,
        factor=100 / info.size,
        dump="\n".join(dump),
        h5py=h5py.__version__,
    )


@pytest.mark.corpus
@pytest.mark.parametrize("entry", corpus_params(["hdf5", "netcdf4", "nwb"]))
def test_values_of_real_files_are_those_that_h5py_reads(entry: CorpusEntry) -> None:
    try:
        group = vz.open_group(entry.location)
    except VzlabError:
        pytest.skip("refused by the parser, which its own tests look at")
    arrays = [(path, array) for path, array in group.walk_arrays() if 0 not in array.shape][:5]
    rng = np.random.default_rng(0)
    for path, array in arrays:
        index = tuple(int(rng.integers(n)) for n in array.shape)
        for traced in (trace(entry.location, path, index), trace(group, path, index)):
            assert traced.agrees is not False, str(traced)
            assert_only_its_chunk_was_read(traced)
            json.dumps(traced.to_dict(), allow_nan=False)


def _write_netcdf3(path: Path) -> tuple[str, tuple[int, ...]]:
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("x", 6)
        packed = file.createVariable("t", "i2", ("x",), fill_value=-9)
        packed.setncatts({"scale_factor": 0.5, "add_offset": 10.0, "units": "K"})
        packed.set_auto_maskandscale(False)
        packed[:] = [1, -9, 3, 4, 5, 6]
    return "t", (3,)


def _write_zarr(path: Path) -> tuple[str, tuple[int, ...]]:
    values = xr.DataArray(np.arange(12, dtype="f4").reshape(3, 4), dims=("y", "x"))
    values.to_dataset(name="v").to_zarr(path, encoding={"v": {"chunks": (2, 2)}}, consolidated=False)
    return "v", (2, 1)


def _write_safetensors(path: Path) -> tuple[str, tuple[int, ...]]:
    pytest.importorskip("safetensors.numpy").save_file({"weight": np.arange(6, dtype="i4")}, path)
    return "weight", (4,)


def _write_tiff(path: Path) -> tuple[str, tuple[int, ...]]:
    tifffile = pytest.importorskip("tifffile")
    values = np.arange(64 * 64, dtype="u2").reshape(64, 64)
    tifffile.imwrite(
        path, values, tile=(32, 32), compression="zlib", predictor=True, photometric="minisblack"
    )
    (name,) = dict(vz.open_group(path).arrays)
    return name, (40, 50)


@pytest.mark.parametrize("write", [_write_netcdf3, _write_zarr, _write_safetensors, _write_tiff])
def test_the_native_library_of_each_format_is_asked(
    tmp_path: Path, write: Callable[[Path], tuple[str, tuple[int, ...]]]
) -> None:
    path = tmp_path / write.__name__.replace("_write_", "one.")
    variable, index = write(path)
    traced = trace(path, variable, index)
    assert traced.native is not None
    assert traced.agrees is True, traced.native.reason
    assert traced.native.index == index
    assert "the native library reads the same" in traced.to_text()


def test_a_library_that_finds_values_by_name_is_not_asked_for_bytes(tmp_path: Path) -> None:
    variable, index = _write_netcdf3(tmp_path / "one.nc")
    traced = trace(vz.open_group(tmp_path / "one.nc"), variable, index)
    assert traced.native is not None
    assert "trace the file itself" in traced.native.reason
    assert traced.agrees is None


@pytest.mark.corpus
@pytest.mark.parametrize(
    "entry", corpus_params(["netcdf3", "zarr", "tiff", "fits", "hdf4", "safetensors"])[::6]
)
def test_values_of_real_files_are_those_that_their_library_reads(entry: CorpusEntry) -> None:
    try:
        group = vz.open_group(entry.location)
    except VzlabError:
        pytest.skip("refused by the parser, which its own tests look at")
    for path, array in [(path, array) for path, array in group.walk_arrays() if 0 not in array.shape][:3]:
        traced = trace(entry.location, path, tuple(n // 2 for n in array.shape))
        assert traced.agrees is not False, str(traced)
