"""Kerchunk references read by fsspec and xarray's engine give what native reads give."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import h5py
import numpy as np
import pytest
import xarray as xr
import zarr
import zarr.storage

import vzlab as vz
from tests.archives import write_daily_files
from tests.servers.http_server import HttpServer
from tests.writers.stores import array_over, read_kerchunk, read_native, virtual_cube
from tests.writers.test_icechunk_create import NAMES, failing_dataset
from vzlab.errors import WriteError
from vzlab.manifests import ChunkManifest, ManifestArray
from vzlab.writers import write_kerchunk

FORMATS = ("dict", "json", "parquet")


def written(dataset: xr.Dataset | xr.DataTree, form: str, folder: Path, **options: Any) -> Any:
    """Write in one of the formats and give what readers take."""
    if form == "dict":
        return write_kerchunk(dataset, format="dict", **options)
    target = folder / f"refs.{'json' if form == 'json' else 'parq'}"
    assert write_kerchunk(dataset, target, format=form, **options) is None  # type: ignore[arg-type]
    return target


@pytest.mark.parametrize("form", FORMATS)
def test_references_read_as_the_files_do(form: str, files: list[Path], tmp_path: Path) -> None:
    references = written(virtual_cube(files), form, tmp_path)
    got = read_kerchunk(references)
    xr.testing.assert_identical(got, read_native(files))
    assert got.time.encoding["units"].startswith("hours since 2024-01-01")


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_loaded_reads_alike(form: str, files: list[Path], tmp_path: Path) -> None:
    references = written(virtual_cube(files, loadable_variables=[]), form, tmp_path)
    xr.testing.assert_identical(read_kerchunk(references), read_native(files))


def test_json_says_what_the_dict_says(files: list[Path], tmp_path: Path) -> None:
    cube = virtual_cube(files).assign(u=("z", np.array(["é", '"quoted" \\ {{braces}}'])))
    path = written(cube, "json", tmp_path)
    assert json.loads(path.read_bytes()) == write_kerchunk(cube, format="dict")


def test_byte_ranges_are_those_that_hdf5_gives(files: list[Path]) -> None:
    references = write_kerchunk(vz.open_virtual_dataset(files[0]), format="dict")
    assert references is not None
    with h5py.File(files[0]) as file:
        dataset = file["sst"]
        for i in range(dataset.id.get_num_chunks()):
            chunk = dataset.id.get_chunk_info(i)
            key = ".".join(str(a // b) for a, b in zip(chunk.chunk_offset, dataset.chunks, strict=True))
            assert references["refs"][f"sst/{key}"] == [str(files[0]), chunk.byte_offset, chunk.size]


@pytest.mark.parametrize("form", FORMATS)
def test_big_endian_data(form: str, tmp_path: Path) -> None:
    days = write_daily_files(tmp_path / "archive", n_days=2, dtype=">i2")
    references = written(virtual_cube(days), form, tmp_path)
    xr.testing.assert_identical(read_kerchunk(references), read_native(days))


@pytest.mark.parametrize("form", FORMATS)
def test_groups_of_a_tree(form: str, files: list[Path], tmp_path: Path) -> None:
    cube = virtual_cube(files)
    tree = xr.DataTree.from_dict(
        {"/": xr.Dataset(attrs={"t": 1}), "/a": cube, "/model/run": cube.rename(sst="warm")}
    )
    references = written(tree, form, tmp_path)
    native = read_native(files)
    # Of Parquet, fsspec takes every folder for a variable when it looks for the protocol itself.
    options = {"remote_protocol": "file"} if form == "parquet" else {}
    assert read_kerchunk(references, **options).attrs == {"t": 1}
    xr.testing.assert_identical(read_kerchunk(references, "a", **options), native)
    xr.testing.assert_identical(read_kerchunk(references, "model/run", **options), native.rename(sst="warm"))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", NAMES)
def test_file_names_of_every_kind(name: str, form: str, tmp_path: Path) -> None:
    path = write_daily_files(tmp_path / "b l#n?k%41é", n_days=1)[0]
    path = path.rename(path.with_name(name))
    references = written(vz.open_virtual_dataset(path), form, tmp_path)
    xr.testing.assert_identical(read_kerchunk(references), read_native([path]))


def test_object_keys_are_written_as_they_are(tmp_path: Path) -> None:
    array = array_over(tmp_path / "raw.bin", np.arange(4, dtype="i4"), (4,))
    moved = array.rename_urls(lambda _: "s3://bucket/a%20b%2341%25.nc")
    references = write_kerchunk(xr.Dataset({"v": ("x", moved)}), format="dict")
    assert references is not None
    assert references["refs"]["v/0"] == ["s3://bucket/a b#41%.nc", 0, 16]


def test_http_urls_stay_percent_encoded(http_server: Callable[..., HttpServer], files: list[Path]) -> None:
    path = files[0].rename(files[0].with_name("a day #1 50%.nc"))
    url = http_server(path.parent).url(path.name)
    references = write_kerchunk(vz.open_virtual_dataset(url), format="dict")
    assert references is not None
    place, offset, length = references["refs"]["sst/0.0.0"]
    with urllib.request.urlopen(
        urllib.request.Request(place, headers={"Range": f"bytes={offset}-{offset + length - 1}"})
    ) as got:
        assert got.read() == path.read_bytes()[offset : offset + length]


def test_memory_urls_are_refused(tmp_path: Path) -> None:
    array = array_over(tmp_path / "raw.bin", np.arange(4, dtype="i4"), (4,))
    moved = array.rename_urls(lambda _: "memory://x/raw.bin")
    with pytest.raises(WriteError, match="fsspec cannot read it"):
        write_kerchunk(xr.Dataset({"v": ("x", moved)}), format="dict")


# -- fill values -------------------------------------------------------------------------------------------------------


def sparse_file(
    path: Path, *, fill: float, missing: float | None, dtype: str = "<i2", **options: Any
) -> Path:
    """Three chunks of two, of which the middle one was never written."""
    with h5py.File(path, "w") as file:
        variable = file.create_dataset("v", shape=(6,), chunks=(2,), dtype=dtype, fillvalue=fill, **options)
        variable[:2] = [1, 2]
        variable[4:] = [3, -1]
        if missing is not None:
            variable.attrs["_FillValue"] = np.array([missing], dtype)
    return path


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("options", [{}, {"compression": "gzip", "shuffle": True}], ids=["raw", "gzip"])
@pytest.mark.parametrize(
    ("fill", "missing", "expected"),
    [
        (0, None, [1, 2, 0, 0, 3, -1]),
        (7, None, [1, 2, 7, 7, 3, -1]),
        (-1, -1, [1, 2, np.nan, np.nan, 3, np.nan]),
        (7, -1, [1, 2, 7, 7, 3, np.nan]),
        (0, -1, [1, 2, 0, 0, 3, np.nan]),
        (0, 0, [1, 2, np.nan, np.nan, 3, -1]),
    ],
)
def test_unwritten_and_missing_values_stay_apart(
    fill: int,
    missing: int | None,
    expected: list[float],
    options: dict[str, Any],
    form: str,
    tmp_path: Path,
) -> None:
    path = sparse_file(tmp_path / "v.h5", fill=fill, missing=missing, **options)
    got = read_kerchunk(written(vz.open_virtual_dataset(path), form, tmp_path))
    np.testing.assert_array_equal(got.v, expected)
    np.testing.assert_array_equal(xr.open_dataset(path, engine="h5netcdf", phony_dims="sort").v, expected)


@pytest.mark.parametrize(
    ("fill", "missing"),
    [(np.nan, np.nan), (np.nan, -1), (1e20, np.nan), (0.0, np.nan), (-0.0, None), (np.inf, None)],
)
def test_floating_fill_values(fill: float, missing: float | None, tmp_path: Path) -> None:
    path = sparse_file(tmp_path / "v.h5", fill=fill, missing=missing, dtype="<f4")
    got = read_kerchunk(written(vz.open_virtual_dataset(path), "json", tmp_path)).v
    with xr.open_dataset(path, engine="h5netcdf", phony_dims="sort") as native:
        np.testing.assert_array_equal(got, native.v)
        np.testing.assert_array_equal(np.signbit(got), np.signbit(native.v))


def test_packed_unsigned_values_keep_their_missing_value(tmp_path: Path) -> None:
    path = tmp_path / "v.h5"
    with h5py.File(path, "w") as file:
        variable = file.create_dataset("v", data=np.array([1, -1, -6], "i1"), chunks=(3,))
        variable.attrs["_Unsigned"] = "true"
        variable.attrs["_FillValue"] = np.array([-1], "i1")
    got = read_kerchunk(written(vz.open_virtual_dataset(path), "json", tmp_path))
    np.testing.assert_array_equal(got.v, [1, np.nan, 250])


def test_unwritten_chunks_that_would_take_too_much_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vzlab.writers.zarr_v2.MAX_MATERIALISED_BYTES", 3)
    path = sparse_file(tmp_path / "v.h5", fill=7, missing=-1)
    with pytest.raises(
        WriteError, match=r"1 chunks of 'v' were never written and read as .*would take 4 bytes"
    ):
        write_kerchunk(vz.open_virtual_dataset(path), format="dict")


def test_unwritten_chunks_of_a_codec_that_only_decodes_are_refused(tmp_path: Path) -> None:
    array = array_over(tmp_path / "raw.bin", np.zeros(4, "f4"), (2,), fill=7.0)
    zfp = {"name": "vzlab.zfp", "configuration": {"header": [1, 2, 3], "endian": "little"}}
    metadata = replace(array.metadata, codecs=(*array.metadata.codecs, zfp))
    broken = ManifestArray(metadata=metadata, manifest=ChunkManifest.empty((2,)))
    with pytest.raises(
        WriteError, match=r"2 chunks of 'v' were never written and read as .*cannot be encoded"
    ):
        write_kerchunk(xr.Dataset({"v": ("x", broken)}), format="dict")


def test_unwritten_chunks_that_lossy_codecs_would_change_are_refused(tmp_path: Path) -> None:
    array = array_over(tmp_path / "raw.bin", np.zeros(4, "f4"), (2,), fill=0.123456)
    rounding = {"name": "numcodecs.quantize", "configuration": {"digits": 1, "dtype": "<f4"}}
    metadata = replace(array.metadata, codecs=(rounding, *array.metadata.codecs))
    sparse = ManifestArray(metadata=metadata, manifest=ChunkManifest.empty((2,)))
    with pytest.raises(WriteError, match="do not keep that value"):
        write_kerchunk(xr.Dataset({"v": ("x", sparse)}), format="dict")


# -- odd arrays --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_scalars_empties_strings_and_records(form: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.h5"
    with h5py.File(path, "w") as file:
        file["scalar"] = np.float32(4.5)
        file["fixed"] = np.array([b"abc", b"de"], "S3")
        file["names"] = np.array(["Åre", "Łódź"], dtype=h5py.string_dtype())
        file["flags"] = np.array([True, False])
        file.create_dataset("empty", shape=(0, 3), dtype="i4", chunks=(1, 3), maxshape=(None, 3))
        file.create_dataset("unwritten", shape=(3,), dtype="i4", chunks=(2,))
    cube = vz.open_virtual_dataset(path, loadable_variables=["names"])
    got = read_kerchunk(written(cube, form, tmp_path))
    assert got.scalar.item() == 4.5
    assert got.fixed.values.tolist() == [b"abc", b"de"]
    assert got.names.values.tolist() == ["Åre", "Łódź"]
    assert got.flags.values.tolist() == [True, False]
    assert got.empty.shape == (0, 3)
    assert got.unwritten.values.tolist() == [0, 0, 0]


@pytest.mark.parametrize("form", FORMATS)
def test_inline_chunks(form: str, tmp_path: Path) -> None:
    values = np.arange(6, dtype="i4")
    array = array_over(tmp_path / "raw.bin", values[:4], (2,))
    joined = np.concatenate([array, values[4:]])  # type: ignore[call-overload]
    references = written(xr.Dataset({"v": ("x", joined)}), form, tmp_path)
    np.testing.assert_array_equal(read_kerchunk(references).v, values)


def test_rectilinear_grid_is_refused_with_the_reason(tmp_path: Path) -> None:
    parts = [array_over(tmp_path / f"{n}.bin", np.arange(n, dtype="f4"), (n,)) for n in (31, 28, 31)]
    months = np.concatenate(parts)  # type: ignore[call-overload]
    with pytest.raises(WriteError, match=r"'v' has chunks of different lengths .*31, 28, 31.*Icechunk"):
        write_kerchunk(xr.Dataset({"v": ("time", months)}), format="dict")


def test_codec_without_a_v2_form_is_refused(tmp_path: Path) -> None:
    array = array_over(tmp_path / "raw.bin", np.arange(24, dtype="f4").reshape(2, 3, 4), (2, 3, 4))
    turned = xr.Variable(("x", "y", "z"), array).transpose("y", "x", "z")
    with pytest.raises(WriteError, match=r"'v' cannot be written as Kerchunk references.*transpose"):
        write_kerchunk(xr.Dataset({"v": turned}), format="dict")


def test_reversed_axes_are_order_f(tmp_path: Path) -> None:
    values = np.arange(24, dtype="f4").reshape(2, 3, 4)
    array = array_over(tmp_path / "raw.bin", values, (1, 3, 2))
    turned = xr.Variable(("x", "y", "z"), array).transpose()
    references = write_kerchunk(xr.Dataset({"v": turned}), format="dict")
    np.testing.assert_array_equal(read_kerchunk(references).v, values.T)


# -- files -------------------------------------------------------------------------------------------------------------


def many_references(folder: Path, grid: tuple[int, int]) -> xr.Dataset:
    """One-element chunks, each at a place of its own in one file of bytes."""
    n = grid[0] * grid[1]
    path = folder / "many.bin"
    path.write_bytes(np.arange(n, dtype="<u4").tobytes())
    array = array_over(folder / "one.bin", np.zeros((1, 1), "<u4"), (1, 1))
    offsets = 4 * np.arange(n, dtype=np.uint64).reshape(grid)
    manifest = ChunkManifest.from_ranges(path.as_uri(), offsets, np.full(grid, 4, np.uint64))
    metadata = array.metadata.with_layout(shape=grid, chunks=(1, 1))
    return xr.Dataset({"v": (("y", "x"), ManifestArray(metadata=metadata, manifest=manifest))})


@pytest.mark.parametrize("form", FORMATS)
def test_more_references_than_one_batch_or_record(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vzlab.writers.kerchunk_columns.ROWS_AT_ONCE", 100)
    monkeypatch.setattr("vzlab.writers.kerchunk_parquet.RECORD_SIZE", 100)
    references = written(many_references(tmp_path, (27, 10)), form, tmp_path)
    np.testing.assert_array_equal(read_kerchunk(references).v, np.arange(270).reshape(27, 10))


def test_parquet_has_the_layout_of_fsspec(files: list[Path], tmp_path: Path) -> None:
    path = written(virtual_cube(files), "parquet", tmp_path)
    found = sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())
    assert found == [".zmetadata", *(f"{name}/refs.0.parq" for name in ("lat", "lon", "sst", "time"))]
    assert json.loads((path / ".zmetadata").read_text())["record_size"] == 100_000


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_writing_again_replaces(form: str, files: list[Path], tmp_path: Path) -> None:
    written(virtual_cube(files).assign(extra=("z", np.arange(3))), form, tmp_path)
    path = written(virtual_cube(files[:1]), form, tmp_path)
    xr.testing.assert_identical(read_kerchunk(path), read_native(files[:1]))


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_failure_keeps_what_was_there(form: str, files: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    path = written(virtual_cube(files), form, folder)
    with pytest.raises(RuntimeError, match="disk is full"):
        written(failing_dataset(files[0]), form, folder)
    xr.testing.assert_identical(read_kerchunk(path), read_native(files))
    assert list(folder.iterdir()) == [path]


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_failure_while_writing_leaves_nothing(
    form: str, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError("the disk is full")

    monkeypatch.setattr("vzlab.writers.kerchunk.virtual_rows", full)
    monkeypatch.setattr("vzlab.writers.kerchunk_parquet._file", full)
    folder = tmp_path / "out"
    with pytest.raises(OSError, match="disk is full"):
        written(virtual_cube(files), form, folder)
    assert list(folder.iterdir()) == []


def test_folder_that_is_no_reference_set_is_left_alone(files: list[Path]) -> None:
    with pytest.raises(WriteError, match="no set of Parquet references"):
        write_kerchunk(virtual_cube(files), files[0].parent, format="parquet")
    assert files[0].exists()


def test_a_consolidated_store_is_left_alone(files: list[Path], tmp_path: Path) -> None:
    """Its index has the name of that of references."""
    store = tmp_path / "store.zarr"
    read_native(files).to_zarr(store, zarr_format=2, consolidated=True)
    before = sorted(store.rglob("*"))
    with pytest.raises(WriteError, match="no set of Parquet references"):
        write_kerchunk(virtual_cube(files), store, format="parquet")
    assert sorted(store.rglob("*")) == before


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("..", "is a folder; expected the path of a file to write"),
        (".", "one of the files that the references point to"),
        ("../notes.txt", "a file that holds no JSON"),
    ],
    ids=["folder", "source", "other file"],
)
def test_what_is_no_references_is_not_replaced_by_json(files: list[Path], place: str, message: str) -> None:
    (files[0].parent / "notes.txt").write_text("mine")
    target = Path(os.path.normpath(files[0] / place))
    before = {file: file.read_bytes() for file in target.parent.rglob("*") if file.is_file()}
    with pytest.raises(WriteError, match=message):
        write_kerchunk(virtual_cube(files), target)
    assert {file: file.read_bytes() for file in target.parent.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("options", [{"format": "json"}, {"format": "parquet"}])
def test_a_path_is_asked_for(options: Any, files: list[Path]) -> None:
    with pytest.raises(WriteError, match="expected a path"):
        write_kerchunk(virtual_cube(files), **options)


def test_unknown_format_is_refused(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="'json', 'parquet' or 'dict'"):
        write_kerchunk(virtual_cube(files), tmp_path / "x", format="yaml")  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_references_go_to_a_bucket(form: str, s3: Any, files: list[Path]) -> None:
    target = s3.bucket().url(f"refs.{form}")
    cube = virtual_cube(files)
    write_kerchunk(cube, target, format=form, storage_options=s3.storage_options)  # type: ignore[arg-type]
    from obstore.store import S3Store

    store = S3Store(target.split("/")[2], **s3.storage_options)
    names = sorted(entry["path"] for batch in store.list() for entry in batch)
    if form == "json":
        assert json.loads(bytes(store.get("refs.json").bytes())) == write_kerchunk(cube, format="dict")
    else:
        assert names == [
            "refs.parquet/.zmetadata",
            *(f"refs.parquet/{n}/refs.0.parq" for n in ("lat", "lon", "sst", "time")),
        ]


def test_whole_reference_set_is_readable_by_fsspec(files: list[Path], tmp_path: Path) -> None:
    path = written(virtual_cube(files), "json", tmp_path)
    system = fsspec.filesystem("reference", fo=str(path))
    with h5py.File(files[2]) as file:
        stored = file["sst"].id.read_direct_chunk((3, 5, 10))[1]
    assert system.cat_file("sst/11.1.1") == stored


# -- Zarr v3 metadata --------------------------------------------------------------------------------------------------


def read_v3(references: Any, group: str | None = None) -> xr.Dataset:
    """Read references with fsspec and zarr, without kerchunk's engine, which is for Zarr v2."""
    system = fsspec.filesystem(
        "reference", fo=references, asynchronous=True, remote_options={"asynchronous": True}
    )
    store = zarr.storage.FsspecStore(system, read_only=True)
    with zarr.config.set({"array.rectilinear_chunks": True}):
        return xr.open_zarr(store, group=group, consolidated=False, zarr_format=3).load()


@pytest.mark.parametrize("form", ["json", "dict"])
def test_v3_reads_as_the_files(form: Any, tmp_path: Path) -> None:
    files = write_daily_files(tmp_path / "archive", n_days=2)
    cube = virtual_cube(files)
    path = tmp_path / "refs.json" if form == "json" else None
    made = write_kerchunk(cube, path, format=form, zarr_format=3)
    xr.testing.assert_identical(read_v3(made or str(path)), read_native(files))


def test_v3_has_nested_groups_and_inline_chunks(tmp_path: Path) -> None:
    array = array_over(tmp_path / "a.bin", np.arange(4, dtype="<i4"), (2,))
    mixed = np.concatenate([array, np.arange(4, 9, dtype="i4")])  # type: ignore[call-overload]
    tree = xr.DataTree.from_dict({"/a/b": xr.Dataset({"v": ("x", mixed)}, attrs={"title": "t"})})
    made = write_kerchunk(tree, format="dict", zarr_format=3)
    got = read_v3(made, "a/b")
    assert got.v.values.tolist() == [*range(9)]
    assert got.attrs == {"title": "t"}


def test_v3_says_chunks_of_different_lengths(tmp_path: Path) -> None:
    parts = [
        xr.Dataset({"v": ("x", array_over(tmp_path / f"{n}.bin", np.arange(n, dtype="<i4"), (n,)))})
        for n in (31, 28, 31)
    ]
    made = write_kerchunk(xr.concat(parts, "x"), format="dict", zarr_format=3)
    assert read_v3(made).v.values.tolist() == [*range(31), *range(28), *range(31)]


def test_v3_scalar(tmp_path: Path) -> None:
    made = write_kerchunk(
        xr.Dataset({"v": ((), array_over(tmp_path / "s.bin", np.array(7, "<i4"), ()))}),
        format="dict",
        zarr_format=3,
    )
    assert read_v3(made).v.item() == 7


def test_v3_in_parquet_is_refused(tmp_path: Path) -> None:
    array = array_over(tmp_path / "a.bin", np.arange(4, dtype="<i4"), (2,))
    with pytest.raises(WriteError, match=r"fsspec finds chunks in Parquet by the \.zarray"):
        write_kerchunk(
            xr.Dataset({"v": ("x", array)}), tmp_path / "refs.parquet", format="parquet", zarr_format=3
        )
