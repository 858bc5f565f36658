"""GRIB files as virtual arrays, beside eccodes and cfgrib."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cfgrib
import eccodes
import numpy as np
import pytest
import xarray as xr
from obstore.store import MemoryStore

import vzlab as vz
from tests.corpus import corpus_file
from tests.parsers.grib_messages import decode, field_values, join_fields, make_message
from vzlab.errors import CodecError, CorruptFileError
from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.parsers import GRIBParser
from vzlab.parsers.grib.parser import _INDEXES
from vzlab.storage import RequestLog, StoreRegistry, as_registry, read_array

PACKINGS = ["grid_simple", "grid_ieee", "grid_ccsds", "grid_jpeg", "grid_complex"]
PACKINGS += ["grid_complex_spatial_differencing", "grid_second_order"]


def write(folder: Path, *parts: bytes) -> Path:
    path = folder / "fields.grib"
    path.write_bytes(b"".join(parts))
    return path


def read(group: ManifestGroup, path: str) -> Any:
    array = group[path]
    assert isinstance(array, ManifestArray)
    return read_array(array, as_registry(None), name=path)


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("edition", [1, 2])
def test_every_packing_reads_as_eccodes_reads_it(packing: str, edition: int, tmp_path: Path) -> None:
    if (edition == 1) != (packing == "grid_second_order") and packing != "grid_simple":
        pytest.skip("no such packing in this edition")
    message = make_message(f"regular_ll_pl_grib{edition}", packingType=packing)
    group = GRIBParser()(write(tmp_path, message))
    found = read(group, "t")
    assert found.shape == (5, 8)
    np.testing.assert_array_equal(found.ravel(), decode(message))


@pytest.mark.parametrize("edition", [1, 2])
def test_missing_values_are_nan(edition: int, tmp_path: Path) -> None:
    values = field_values()
    values[1:3, 2:5] = np.nan
    message = make_message(f"regular_ll_pl_grib{edition}", values, bitmap=True)
    found = read(GRIBParser()(write(tmp_path, message)), "t")
    np.testing.assert_array_equal(np.isnan(found), np.isnan(values))
    np.testing.assert_array_equal(found.ravel(), decode(message))


@pytest.mark.parametrize("edition", [1, 2])
def test_a_constant_field_and_a_spectral_one(edition: int, tmp_path: Path) -> None:
    constant = make_message(f"regular_ll_pl_grib{edition}", np.full((5, 8), 3.5))
    assert (read(GRIBParser()(write(tmp_path, constant)), "t") == 3.5).all()
    spectral = make_message(f"sh_pl_grib{edition}")
    group = GRIBParser()(write(tmp_path, spectral))
    (array,) = [a for _, a in group.walk_arrays() if a.manifest.n_virtual]
    assert array.metadata.dimension_names == ("values",)
    np.testing.assert_array_equal(read_array(array, as_registry(None)), decode(spectral))


def test_a_reduced_grid_of_edition_1_has_the_values_of_its_grid(tmp_path: Path) -> None:
    # For such grids eccodes counts what section 4 holds, of which a header alone has next to nothing.
    message = make_message("gg_sfc_grib1", np.random.default_rng(1).normal(280, 10, 13280))
    group = GRIBParser()(write(tmp_path, message))
    (array,) = [a for _, a in group.walk_arrays() if a.manifest.n_virtual]
    assert array.shape == (13280,)
    np.testing.assert_array_equal(read_array(array, as_registry(None)), decode(message))


def cube_messages() -> list[bytes]:
    """Two days, three steps, two levels, without one of them."""
    places = list(itertools.product([20200101, 20200102], [0, 6, 12], [500, 850]))
    del places[4]
    return [
        make_message(values=field_values(i), dataDate=date, step=step, level=level)
        for i, (date, step, level) in enumerate(places)
    ]


def test_fields_lie_along_time_step_and_level_as_cfgrib_has_them(tmp_path: Path) -> None:
    path = write(tmp_path, *cube_messages())
    expected = cfgrib.open_dataset(
        str(path), backend_kwargs={"indexpath": "", "values_dtype": np.dtype("f8")}, decode_timedelta=True
    ).load()
    found = xr.open_zarr(vz.open_manifest_store(path), consolidated=False, zarr_format=3).load()
    assert found["t"].dims == expected["t"].dims == ("time", "step", "isobaricInhPa", "latitude", "longitude")
    assert np.isnan(found["t"].values).any(axis=(-1, -2)).sum() == 1
    for name in ["t", *expected.coords]:
        np.testing.assert_array_equal(found[name].values, expected[name].values)
        assert found[name].dims == expected[name].dims
    for key in (
        "GRIB_paramId",
        "GRIB_shortName",
        "GRIB_Nx",
        "GRIB_stepType",
        "units",
        "standard_name",
        "long_name",
    ):
        assert found["t"].attrs[key] == expected["t"].attrs[key]
    assert found["isobaricInhPa"].attrs == expected["isobaricInhPa"].attrs


def test_squeeze_dtype_and_filter_by_keys(tmp_path: Path) -> None:
    path = write(tmp_path, *cube_messages())
    chosen = GRIBParser(
        filter_by_keys={"dataDate": 20200102, "level": [500], "step": 6}, squeeze=False, dtype="float32"
    )(path)
    array = chosen["t"]
    assert isinstance(array, ManifestArray)
    assert array.shape == (1, 1, 1, 5, 8)
    assert array.dtype == np.float32
    one = GRIBParser(filter_by_keys={"dataDate": 20200102, "level": 500, "step": 6})(path)["t"]
    assert isinstance(one, ManifestArray)
    assert one.shape == (5, 8)
    with pytest.raises(ValueError, match="float16"):
        GRIBParser(dtype="float16")


def test_kinds_of_level_are_groups_and_every_field_is_in_one(tmp_path: Path) -> None:
    messages = [
        make_message(values=field_values(1), typeOfLevel="isobaricInhPa", level=500),
        make_message(values=field_values(2), typeOfLevel="surface", level=0),
        make_message(values=field_values(3), typeOfLevel="surface", level=0, step=6),
        make_message(values=field_values(4), typeOfLevel="heightAboveGround", level=2),
        make_message(values=field_values(5), typeOfLevel="heightAboveGround", level=2),
    ]
    group = GRIBParser()(write(tmp_path, *messages))
    assert set(group.groups) == {"isobaricInhPa", "surface", "heightAboveGround"}
    assert group.n_references == len(messages)
    np.testing.assert_array_equal(read(group, "heightAboveGround/t2m").ravel(), decode(messages[3]))
    # The same place again: another value of it, kept apart by name.
    np.testing.assert_array_equal(read(group, "heightAboveGround/t2m_2").ravel(), decode(messages[4]))
    only = GRIBParser(group="surface")(tmp_path / "fields.grib")
    assert read(only, "t").shape == (2, 5, 8)
    with pytest.raises(KeyError, match="cloud"):
        GRIBParser(group="cloud")(tmp_path / "fields.grib")


def test_each_field_of_a_message_that_has_several_is_read(tmp_path: Path) -> None:
    messages = [make_message(values=field_values(i), level=level) for i, level in enumerate([300, 500, 850])]
    path = write(tmp_path, join_fields(messages), make_message(values=field_values(9), level=100))
    found = read(GRIBParser()(path), "t")
    expected = [decode(messages[2]), decode(messages[1]), decode(messages[0])]
    np.testing.assert_array_equal(found[:3].reshape(3, -1), expected)


def test_bulletin_headers_and_padding_between_messages_are_passed_over(tmp_path: Path) -> None:
    a, b = (make_message(values=field_values(i), level=level) for i, level in enumerate([500, 850]))
    path = write(
        tmp_path, b"\x01\r\r\n123 \r\r\nYTXX50 KWBC 010000\r\r\n", a, bytes(100_000), b, b"\0\r\n\x03"
    )
    np.testing.assert_array_equal(read(GRIBParser()(path), "t")[1].ravel(), decode(a))


@pytest.mark.parametrize("edition", [1, 2])
def test_columns_stored_one_after_another_and_rows_stored_eastward(edition: int, tmp_path: Path) -> None:
    message = make_message(f"regular_ll_pl_grib{edition}", jPointsAreConsecutive=1)
    group = GRIBParser()(write(tmp_path, message))
    array = group["t"]
    assert isinstance(array, ManifestArray)
    assert array.metadata.dimension_names == ("longitude", "latitude")
    np.testing.assert_array_equal(read(group, "t").ravel(), decode(message))
    assert read(group, "latitude").tolist() == [60, 55, 50, 45, 40]


SCANNING = ("iScansNegatively", "jScansPositively", "jPointsAreConsecutive")


@pytest.mark.parametrize("flags", [(0, 1, 0), (0, 0, 0), (1, 1, 0), (1, 0, 0), (0, 1, 1)])
def test_a_projected_grid_has_positions_only_where_they_are_those_of_its_values(
    flags: tuple[int, int, int], tmp_path: Path
) -> None:
    sample = "polar_stereographic_pl_grib2"
    message = make_message(sample, np.arange(496.0), **dict(zip(SCANNING, flags, strict=True)))
    group = GRIBParser()(write(tmp_path, message))
    assert read(group, "t").ravel().tolist() == decode(message).tolist()
    if flags == (0, 1, 0):
        # Only here does eccodes' own iterator not reorder values, so that coordinates are in the order of the message.
        assert not group.unreadable
        handle = eccodes.codes_new_from_message(message)
        points = eccodes.codes_grib_get_data(handle)
        eccodes.codes_release(handle)
        assert [p["lat"] for p in points] == read(group, "latitude").ravel().tolist()
        assert [p["value"] for p in points] == read(group, "t").ravel().tolist()
    else:
        assert "latitude" not in group.arrays
        assert "south-west" in group.unreadable["latitude"].reason
        assert group.unreadable["longitude"].shape == group["t"].metadata.shape


def test_coordinates_of_a_large_projected_grid_are_computed_when_read(tmp_path: Path) -> None:
    path = corpus_file("grib/mpiannucci__gribberish/hrrr.t00z.wrfprsf00-space.grib2")
    group = GRIBParser()(path)
    latitude = group["latitude"]
    assert isinstance(latitude, ManifestArray)
    assert latitude.manifest.n_inline == 1
    assert group.nbytes < 2_000
    expected = cfgrib.open_dataset(str(path), indexpath="")
    np.testing.assert_array_equal(read(group, "latitude"), expected["latitude"].values)


def test_headers_alone_are_read_and_a_second_time_nothing() -> None:
    store, log = MemoryStore(), RequestLog()
    big = make_message(values=np.random.default_rng(0).normal(size=(5, 8)), bitsPerValue=24)
    store.put(
        "many.grib", b"".join([big] + [make_message(values=field_values(i), level=i) for i in range(1, 300)])
    )
    registry = StoreRegistry({"memory://grib/": store}, log=log)
    group = GRIBParser()("memory://grib/many.grib", registry)
    assert group.n_references == 300
    first = len(log.requests)
    assert first <= 3
    GRIBParser()("memory://grib/many.grib", registry)
    assert len(log.requests) <= first + 1


def test_an_index_on_disk_spares_other_processes_the_scan(tmp_path: Path) -> None:
    store, log = MemoryStore(), RequestLog()
    messages = [make_message(values=field_values(i), level=i + 1) for i in range(40)]
    # Other fields far behind: what finds out the file's size does not hold them.
    store.put("f.grib", b"".join([*messages, bytes(200_000), make_message(level=900)]))
    registry = StoreRegistry({"memory://grib/": store}, log=log)
    parser = GRIBParser(index_directory=tmp_path / "kept")
    _INDEXES.clear()
    scanned = parser("memory://grib/f.grib", registry)
    (kept,) = (tmp_path / "kept").iterdir()
    n_scanning = len(log.requests)
    _INDEXES.clear()
    assert parser("memory://grib/f.grib", registry) == scanned
    n_again = len(log.requests) - n_scanning
    assert n_again < n_scanning
    assert n_again <= 1
    for damaged in (kept.read_bytes()[:-30], b"", b"not an index"):
        kept.write_bytes(damaged)
        _INDEXES.clear()
        assert parser("memory://grib/f.grib", registry) == scanned
    store.put("f.grib", messages[0])
    assert parser("memory://grib/f.grib", {"memory://grib/": store}).n_references == 1
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_second_order_packing_with_another_number_of_values_is_refused(tmp_path: Path) -> None:
    message = bytearray(make_message("regular_ll_pl_grib1", packingType="grid_second_order"))
    group = GRIBParser()(write(tmp_path, bytes(message)))
    # Section 2 of edition 1 begins behind the eight bytes of section 0 and section 1; its octets 9 and 10 count rows.
    rows = 8 + int.from_bytes(message[8:11], "big") + 8
    assert int.from_bytes(message[rows : rows + 2], "big") == 5
    message[rows : rows + 2] = (7).to_bytes(2, "big")
    (tmp_path / "fields.grib").write_bytes(bytes(message))
    with pytest.raises(CodecError, match="values"):
        read(group, "t")


@pytest.mark.parametrize("edition", [1, 2])
def test_truncation_at_any_byte_is_refused(edition: int, tmp_path: Path) -> None:
    message = make_message(f"regular_ll_pl_grib{edition}")
    for length in range(4, len(message)):
        with pytest.raises(CorruptFileError, match=r"fields\.grib"):
            GRIBParser()(write(tmp_path, message, message[:length]))


def test_a_file_without_messages_and_one_with_a_false_end_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptFileError, match="no GRIB message"):
        GRIBParser()(write(tmp_path, bytes(1000)))
    with pytest.raises(CorruptFileError, match="7777"):
        GRIBParser()(write(tmp_path, make_message()[:-4] + b"7778"))


DAMAGE = """
import random, sys
from pathlib import Path
import numpy as np
from tests.parsers.grib_messages import decode
from vzlab.errors import VzlabError
from vzlab.parsers import GRIBParser
from vzlab.storage import as_registry, read_array
path = Path(sys.argv[1])
whole = path.read_bytes()
outcomes = {"refused": 0, "equal": 0}
for seed in range(60):
    chance = random.Random(seed)
    damaged = bytearray(whole)
    damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
    path.write_bytes(damaged)
    try:
        group = GRIBParser()(path)
        found = [read_array(a, as_registry(None)) for _, a in group.walk_arrays() if a.manifest.n_virtual and a.size < 10**7]
    except VzlabError:
        outcomes["refused"] += 1
        continue
    for values in found:
        np.testing.assert_array_equal(values.ravel(), decode(bytes(damaged)))
    outcomes["equal"] += 1
print(outcomes)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "packing", ["grid_simple", "grid_ccsds", "grid_complex", "grid_complex_spatial_differencing"]
)
def test_a_flipped_bit_is_refused_or_read_as_eccodes_reads_it(packing: str, tmp_path: Path) -> None:
    path = write(tmp_path, make_message(packingType=packing))
    done = subprocess.run(
        [sys.executable, "-c", DAMAGE, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_counts_that_would_lead_eccodes_astray_are_refused(tmp_path: Path) -> None:
    path = corpus_file("grib/NOAA-MDL__grib2io/rap.tsoil.gdt32769.grib2")
    damaged = bytearray(path.read_bytes())
    at = damaged.index((49).to_bytes(4, "big") + b"\x05")
    damaged[at + 43] ^= 8
    with pytest.raises(CodecError, match="groups have"):
        read(GRIBParser()(write(tmp_path, bytes(damaged))), "st")


def test_many_threads_decode_at_once(tmp_path: Path) -> None:
    messages = cube_messages()
    array = GRIBParser()(write(tmp_path, *messages))["t"]
    assert isinstance(array, ManifestArray)
    expected = read_array(array, as_registry(None))
    with ThreadPoolExecutor(16) as pool:
        for found in pool.map(lambda _: read_array(array, as_registry(None)), range(100)):
            np.testing.assert_array_equal(found, expected)


READ_STORED = """
import sys
import icechunk, numpy, zarr
where, files = sys.argv[1:]
repository = icechunk.Repository.open(
    icechunk.local_filesystem_storage(where),
    authorize_virtual_chunk_access={f"file://{files}/": icechunk.credentials.LocalFileSystemAccess},
)
store = repository.readonly_session("main").store
numpy.save(where + ".npy", zarr.open_array(store, path="t", mode="r")[...])
print("vzlab.parsers" in sys.modules)
"""


def test_a_fresh_process_reads_what_icechunk_stored(tmp_path: Path) -> None:
    path = write(tmp_path, *cube_messages())
    dataset = vz.open_virtual_dataset(path)
    dataset.vzlab.to_icechunk(tmp_path / "repository")
    done = subprocess.run(
        [sys.executable, "-c", READ_STORED, str(tmp_path / "repository"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "False"
    stored = np.load(f"{tmp_path / 'repository'}.npy")
    np.testing.assert_array_equal(stored, read(GRIBParser()(path), "t"))


@pytest.mark.parametrize("masked", [True, False], ids=["bitmap", "plain"])
def test_kerchunk_references_of_grib_messages_are_read(masked: bool, tmp_path: Path) -> None:
    """Kerchunk names whole messages, and means the first field of one that has several."""
    values = field_values(3)
    if masked:
        values[1, 2:5] = np.nan
    first = make_message(values=values, level=500, bitmap=masked)
    several = join_fields([first, make_message(values=field_values(4), level=500)])
    path = write(tmp_path, several)
    (tmp_path / "one.json").write_text(json.dumps(kerchunk_references(path)))
    group = vz.open_group(tmp_path / "one.json")
    np.testing.assert_array_equal(read(group, "t"), decode(first).reshape(5, 8).astype("f4"))
    rows = read(GRIBParser()(path), "latitude")
    np.testing.assert_array_equal(read(group, "latitude"), np.broadcast_to(rows[:, None], (5, 8)))


def kerchunk_references(path: Path) -> dict[str, Any]:
    """References as kerchunk's `scan_grib` writes them: filters of the data, and of where they lie."""

    def array(codec: dict[str, Any], shape: list[int], dtype: str, dims: list[str]) -> dict[str, str]:
        document = {"zarr_format": 2, "shape": shape, "chunks": shape, "dtype": dtype, "order": "C"}
        document |= {"filters": [{"id": "grib", **codec}], "compressor": None, "fill_value": None}
        return {".zarray": json.dumps(document), ".zattrs": json.dumps({"_ARRAY_DIMENSIONS": dims})}

    both = {
        "t": array({"var": "t", "dtype": "float32"}, [5, 8], "<f4", ["latitude", "longitude"]),
        "latitude": array({"var": "latitude"}, [5, 8], "<f8", ["latitude", "longitude"]),
    }
    chunks = {f"{name}/0.0": [path.as_uri(), 0, path.stat().st_size] for name in both}
    keys = {f"{name}/{key}": text for name, keys in both.items() for key, text in keys.items()}
    return {"version": 1, "refs": {".zgroup": '{"zarr_format": 2}', **keys, **chunks}}


def test_kerchunk_references_that_contradict_their_dtype_are_refused(tmp_path: Path) -> None:
    references = kerchunk_references(write(tmp_path, make_message()))
    references["refs"]["t/.zarray"] = references["refs"]["t/.zarray"].replace("<f4", "<f8")
    (tmp_path / "one.json").write_text(json.dumps(references))
    assert "makes <f4 of 't'; the array says <f8" in str(vz.open_group(tmp_path / "one.json").unreadable["t"])
