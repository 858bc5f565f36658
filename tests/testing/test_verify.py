"""Verifying references against their files: each fault is found, in the file that has it, and no data is read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import xarray as xr
import zarr

import vzlab as vz
import vzlab.testing as vt
from tests.archives import write_daily_files
from tests.servers.http_server import HttpServer
from tests.servers.s3_server import S3Server
from tests.writers.stores import array_over, virtual_cube
from vzlab.manifests import ArrayMetadata, ChunkManifest, ManifestArray, SourceFile
from vzlab.testing import Verification, verify
from vzlab.writers import write_icechunk, write_kerchunk


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return write_daily_files(tmp_path / "archive", n_days=3)


def raw(folder: Path, **metadata: Any) -> ManifestArray:
    return array_over(folder / "raw.bin", np.arange(8, dtype="<i4"), (2,), dimension_names=("x",), **metadata)


def with_columns(array: ManifestArray, **columns: Any) -> xr.Dataset:
    """The array with some offsets or lengths changed by hand, as a dataset."""
    manifest = array.manifest
    changed = {
        name: np.array(columns.get(name, getattr(manifest, name)), np.uint64)
        for name in ("offsets", "lengths")
    }
    wrong = ChunkManifest(sources=manifest.sources, source_index=manifest.source_index, **changed)
    return xr.Dataset({"v": ("x", ManifestArray(metadata=array.metadata, manifest=wrong))})


KINDS = ("dataset", "tree", "group", "store", "repository", "session", "path", "json", "parquet", "dict")


def as_kind(kind: str, dataset: xr.Dataset, folder: Path) -> Any:
    from vzlab.datasets import dataset_to_group
    from vzlab.storage import ManifestStore, as_registry

    if kind in ("repository", "session", "path"):
        write_icechunk(dataset, folder / "repo")
        if kind == "path":
            return folder / "repo"
        repository = vz.open_icechunk(folder / "repo")
        return repository if kind == "repository" else repository.readonly_session("main")
    if kind in ("json", "parquet"):
        write_kerchunk(dataset, folder / f"refs.{kind}", format=kind)  # type: ignore[arg-type]
        return str(folder / f"refs.{kind}")
    return {
        "dataset": lambda: dataset,
        "tree": lambda: xr.DataTree.from_dict({"/a": dataset}),
        "group": lambda: dataset_to_group(dataset),
        "store": lambda: ManifestStore(dataset_to_group(dataset), as_registry()),
        "dict": lambda: write_kerchunk(dataset, format="dict"),
    }[kind]()


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_holds_references_is_verified(kind: str, files: list[Path], tmp_path: Path) -> None:
    cube = virtual_cube(files)
    found = verify(as_kind(kind, cube, tmp_path))
    assert found.verdict == "PASS", str(found)
    assert (found.n_references, found.n_files, found.exit_code) == (cube.vzlab.n_refs, 3, 0)
    assert found.to_virtualize == found.out_of_reach == ()


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_gone_or_shorter_is_named(kind: str, files: list[Path], tmp_path: Path) -> None:
    subject = as_kind(kind, virtual_cube(files), tmp_path)
    files[0].unlink()
    os.truncate(files[2], 2000)
    found = verify(subject)
    assert (found.verdict, found.exit_code) == ("FAIL", 1)
    assert found.out_of_reach == (files[0].as_uri(),)
    assert found.to_virtualize == (files[2].as_uri(),)


FAULTY: dict[str, tuple[dict[str, Any], str]] = {
    "past the end": ({"offsets": [0, 8, 16, 28]}, "range: references reach past the end"),
    "overflow": ({"offsets": [0, 8, 16, 2**64 - 4]}, "range: references reach past the end"),
    "overlap": ({"offsets": [0, 8, 12, 24]}, "overlap: 4 bytes"),
    "zero length": ({"lengths": [8, 8, 0, 8]}, "length: references of zero bytes"),
    "short": ({"lengths": [8, 8, 4, 8]}, "length: uncompressed chunks of another length"),
}


@pytest.mark.parametrize(("columns", "message"), FAULTY.values(), ids=FAULTY)
def test_references_that_do_not_fit_are_found(columns: dict[str, Any], message: str, tmp_path: Path) -> None:
    found = verify(with_columns(raw(tmp_path), **columns))
    assert any(finding.message.startswith(message) for finding in found.findings), str(found)
    assert found.to_virtualize == ((tmp_path / "raw.bin").as_uri(),)
    assert found.files[0].state == "wrong"


def test_every_file_with_a_fault_is_named(tmp_path: Path) -> None:
    arrays = []
    for i in range(4):
        array = array_over(tmp_path / f"{i}.bin", np.arange(8, dtype="<i4"), (2,), dimension_names=("x",))
        arrays.append(xr.Dataset({"v": ("x", array)}))
    cube = xr.concat(arrays, "x")
    for i in (1, 3):
        os.truncate(tmp_path / f"{i}.bin", 20)
    assert verify(cube).to_virtualize == tuple((tmp_path / f"{i}.bin").as_uri() for i in (1, 3))


def test_references_outside_of_the_grid_are_counted(files: list[Path]) -> None:
    references = write_kerchunk(vz.open_virtual_dataset(files[0]), format="dict")
    assert references is not None
    references["refs"]["sst/9.0.0"] = references["refs"]["sst/0.0.0"]
    found = verify(references)
    assert [finding.message for finding in found.findings] == [
        "grid: 1 references lie outside of the chunk grid (4, 2, 2), where nothing reads them"
    ]


def test_missing_chunks_are_counted_and_no_fault(tmp_path: Path) -> None:
    array = raw(tmp_path, fill=0)
    manifest = array.manifest.take_or_missing(0, [0, -1, 2, -1])
    found = verify(xr.Dataset({"v": ("x", ManifestArray(metadata=array.metadata, manifest=manifest))}))
    assert (found.verdict, found.arrays[0].n_missing, found.arrays[0].n_virtual) == ("PASS", 2, 2)


@pytest.mark.parametrize("kind", ["dataset", "path", "session"])
def test_a_file_that_was_changed_is_stale(kind: str, files: list[Path], tmp_path: Path) -> None:
    subject = as_kind(kind, virtual_cube(files), tmp_path)
    content = files[1].read_bytes()
    files[1].write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(files[1], (2e9, 2e9))
    found = verify(subject)
    assert [(file.url, file.state) for file in found.files] == [(files[1].as_uri(), "stale")]
    assert found.to_virtualize == (files[1].as_uri(),)


def test_a_scalar_that_the_repository_holds_is_verified(tmp_path: Path) -> None:
    cube = vz.open_virtual_dataset(vz.samples.make_cogs(tmp_path / "scenes", n_files=1).files[0])
    assert cube.spatial_ref.ndim == 0
    write_icechunk(cube, tmp_path / "cube")
    verified = verify(tmp_path / "cube")
    assert verified.verdict == "PASS"
    assert {array.path: array.n_held for array in verified.arrays}["spatial_ref"] == 1


def test_kerchunk_keeps_nothing_of_files_and_that_is_said(files: list[Path], tmp_path: Path) -> None:
    found = verify(as_kind("json", virtual_cube(files), tmp_path))
    assert found.n_unrecorded == 3
    assert "Of 3 files neither size, tag nor time was noted" in str(found)
    assert verify(virtual_cube(files)).n_unrecorded == 0


def test_one_request_a_file_and_no_data(s3: S3Server, files: list[Path], tmp_path: Path) -> None:
    bucket = s3.bucket()
    cubes = [vz.open_virtual_dataset(bucket.upload(f), storage_options=s3.storage_options) for f in files]
    cube = xr.concat(cubes, "time", data_vars="minimal", coords="minimal", compat="override", join="override")
    write_icechunk(cube, tmp_path / "repo", source_options=s3.storage_options)
    s3.clear_requests()
    found = verify(tmp_path / "repo", storage_options=s3.storage_options)
    assert (found.verdict, found.n_requests) == ("PASS", 3)
    assert [request.method for request in s3.requests] == ["HEAD"] * 3


def test_icechunk_tells_what_no_commit_kept(s3: S3Server, files: list[Path], tmp_path: Path) -> None:
    bucket = s3.bucket()
    cube = vz.open_virtual_dataset(bucket.upload(files[0]), storage_options=s3.storage_options)
    write_icechunk(cube, tmp_path / "repo", source_options=s3.storage_options)
    repository = vz.open_icechunk(tmp_path / "repo", storage_options=s3.storage_options)
    session = repository.readonly_session("main")
    found = verify(session, storage_options=s3.storage_options)
    assert (found.verdict, found.n_requests, found.n_unrecorded) == ("PASS", 2, 0)
    content = files[0].read_bytes()
    bucket.put(files[0].name, content[:-1] + bytes([content[-1] ^ 1]))
    found = verify(session, storage_options=s3.storage_options)
    assert found.to_virtualize == (bucket.url(files[0].name),)


def test_unreachable_is_not_absent(s3: S3Server, files: list[Path]) -> None:
    bucket = s3.bucket()
    url = bucket.upload(files[0])
    cube = vz.open_virtual_dataset(url, storage_options=s3.storage_options)
    nobody = {**s3.anonymous_options, "retry_config": {"max_retries": 0}}
    found = verify(cube, storage_options=nobody)
    assert [(file.url, file.state) for file in found.files] == [(url, "unreachable")]
    assert found.out_of_reach == (url,)
    import obstore

    obstore.delete(bucket.store, files[0].name)
    found = verify(cube, storage_options=s3.storage_options)
    assert [(file.url, file.state) for file in found.files] == [(url, "absent")]


def test_files_over_http(http_server: Callable[..., HttpServer], files: list[Path]) -> None:
    server = http_server(files[0].parent)
    cube = vz.open_virtual_dataset(server.url(files[0].name))
    found = verify(cube)
    assert (found.verdict, found.n_requests) == ("PASS", 1)


def test_codecs_that_few_know_are_named(files: list[Path], tmp_path: Path) -> None:
    found = verify(virtual_cube(files))
    array = next(array for array in found.arrays if array.path == "sst")
    assert array.codecs is not None
    assert "zarr-python" in array.readers
    assert "GDAL" not in array.readers
    plain = verify(with_columns(raw(tmp_path)))
    assert set(plain.arrays[0].readers) == {"zarr-python", "zarrs", "GDAL", "zarrita.js"}
    assert "read by zarr-python" in str(plain)


def test_a_store_without_references_is_not_passed(tmp_path: Path) -> None:
    xr.Dataset({"v": ("x", np.arange(3))}).to_zarr(tmp_path / "plain", consolidated=False)
    found = verify(zarr.open_group(tmp_path / "plain", mode="r"))
    assert (found.verdict, found.exit_code) == ("UNVERIFIED", 1)
    assert "does not say where its chunks lie" in found.gaps[0].reason


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_chunks_of_a_plain_store_are_looked_at(zarr_format: Any, tmp_path: Path, capfd: Any) -> None:
    plain, alone = tmp_path / "plain", tmp_path / "alone"
    xr.Dataset({"v": ("x", np.arange(3))}).to_zarr(
        plain, zarr_format=zarr_format, consolidated=zarr_format == 2
    )
    zarr.create_array(alone, data=np.arange(3), zarr_format=zarr_format)
    for store in (plain, alone):
        found = verify(store)
        assert (found.verdict, found.n_references) == ("PASS", 1)
        assert "Kerchunk" not in found.subject
        assert vt.compare(store, store).passed
    assert capfd.readouterr().err == "", "nobody is warned of a repository that is none"


def test_report_is_text_json_and_a_page(files: list[Path], tmp_path: Path) -> None:
    subject = virtual_cube(files)
    files[1].unlink()
    found = verify(subject)
    assert str(found).startswith("FAIL: 48 references to 3 files; of the files 1 absent.")
    document = json.loads(json.dumps(found.to_dict()))
    assert (document["schema"], document["verdict"]) == ("vzlab-verification/1", "FAIL")
    page = found.to_html(tmp_path / "report.html").read_text()
    assert files[1].as_uri() in page
    assert "<script" not in page


def test_markup_in_names_is_text(tmp_path: Path) -> None:
    array = raw(tmp_path)
    source = SourceFile(url="file:///nowhere/%3Cb%3E<i>.bin")
    gone = ChunkManifest(
        sources=[source],
        source_index=array.manifest.source_index,
        offsets=array.manifest.offsets,
        lengths=array.manifest.lengths,
    )
    found = verify(xr.Dataset({"<b>": ("x", ManifestArray(metadata=array.metadata, manifest=gone))}))
    assert isinstance(found, Verification)
    assert "<i>" not in found._repr_html_()


def test_a_repository_that_is_not_authorised_is_verified_all_the_same(
    files: list[Path], tmp_path: Path
) -> None:
    write_icechunk(virtual_cube(files), tmp_path / "repo")
    bare = icechunk.Repository.open(icechunk.local_filesystem_storage(str(tmp_path / "repo")))
    assert verify(bare).verdict == "PASS"


def test_whoever_lacks_authorisation_is_told_what_grants_it(files: list[Path], tmp_path: Path) -> None:
    write_icechunk(virtual_cube(files), tmp_path / "repo")
    bare = icechunk.Repository.open(icechunk.local_filesystem_storage(str(tmp_path / "repo")))
    found = verify(bare.readonly_session("main"))
    assert (found.verdict, len(found.gaps)) == ("UNVERIFIED", 3)
    assert f"file://{files[0].parent}/ needs leave to read local files" in found.gaps[0].reason
    assert "vz.open_icechunk(...) grants all of it" in found.gaps[0].reason


def test_a_digest_is_offered_for_what_cannot_be_seen(files: list[Path]) -> None:
    cube = virtual_cube(files)
    content = bytearray(files[0].read_bytes())
    reference = cube.sst.variable._data.manifest.reference((0, 0, 0))
    content[reference.offset + reference.length // 2] ^= 1
    kept = files[0].stat()
    files[0].write_bytes(bytes(content))
    os.utime(files[0], ns=(kept.st_atime_ns, kept.st_mtime_ns))
    found = verify(cube)
    assert found.verdict == "PASS"
    assert "seen only by reading them: vz.compare(...)" in str(found)


def test_the_command_exits_with_what_it_found(files: list[Path], tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from vzlab.cli import app

    write_icechunk(virtual_cube(files), tmp_path / "repo")
    runner = CliRunner()
    page = tmp_path / "report.html"
    done = runner.invoke(app, ["verify", str(tmp_path / "repo"), "--html", str(page)])
    assert (done.exit_code, done.stdout.startswith("PASS: 48 references to 3 files fit.")) == (0, True)
    assert page.read_text().startswith("<!doctype html>")
    files[0].unlink()
    done = runner.invoke(app, ["verify", str(tmp_path / "repo"), "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["files"][0]["state"] == "absent"


@pytest.mark.slow
def test_a_million_references_of_a_thousand_files(tmp_path: Path) -> None:
    sources, per = [], 1000
    for i in range(1000):
        path = tmp_path / f"{i}.bin"
        path.touch()
        os.truncate(path, per * 400)
        sources.append(SourceFile(url=path.as_uri(), size_bytes=per * 400))
    shape = (10_000, 10, 10)
    index = np.repeat(np.arange(1000, dtype="u4"), per).reshape(shape)
    offsets = np.tile(np.arange(per, dtype="u8") * 400, 1000).reshape(shape)
    manifest = ChunkManifest(
        sources=sources, source_index=index, offsets=offsets, lengths=np.full(shape, 400, "u8")
    )
    metadata = ArrayMetadata.create(
        shape=(10_000, 100, 100),
        dtype="f4",
        chunks=(1, 10, 10),
        codecs=[{"name": "bytes", "configuration": {"endian": "little"}}],
        fill_value=0.0,
        dimension_names=("time", "y", "x"),
    )
    array = ManifestArray(metadata=metadata, manifest=manifest)
    write_icechunk(xr.Dataset({"v": (("time", "y", "x"), array)}), tmp_path / "repo")
    found = verify(tmp_path / "repo")
    assert (found.verdict, found.n_references, found.n_files) == ("PASS", 1_000_000, 1000)
