"""ZIP archives: Zarr stores and stored files inside them, read by range."""

from __future__ import annotations

import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
import zarr.storage

from vzlab.datasets import open_virtual_dataset
from vzlab.errors import CorruptFileError, UnsupportedFormatError, VzlabError
from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.parsers import HDF5Parser, ZarrParser, ZipParser
from vzlab.parsers.zip.directory import read_directory
from vzlab.storage import StoreRegistry, as_registry, read_array

VALUES = np.arange(35, dtype="f8").reshape(7, 5)


def store(path: Path) -> Path:
    """Write a directory with an array whose last chunks are missing."""
    array = zarr.create_group(str(path)).create_array(
        "v", shape=(9, 5), chunks=(3, 2), dtype="f8", fill_value=-1
    )
    array[:7] = VALUES
    return path


def pack(path: Path, folder: Path, *, prefix: str = "", **options: Any) -> Path:
    """Put a directory into an archive."""
    with zipfile.ZipFile(path, "w", **options) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, f"{prefix}{file.relative_to(folder).as_posix()}")
    return path


def values(group: ManifestGroup, name: str = "v") -> Any:
    """Stored values of one array."""
    array = group[name]
    assert isinstance(array, ManifestArray)
    return read_array(array, as_registry(None))


def assert_whole(group: ManifestGroup) -> None:
    """Fail unless the array is as `store` wrote it."""
    np.testing.assert_array_equal(values(group)[:7], VALUES)
    assert (values(group)[7:] == -1).all()


def test_what_zarr_writes_into_an_archive(tmp_path: Path) -> None:
    with zarr.storage.ZipStore(tmp_path / "a.zip", mode="w") as zipped:
        array = zarr.create_group(zipped).create_array(
            "v", shape=(9, 5), chunks=(3, 2), dtype="f8", fill_value=-1, attributes={"units": "m"}
        )
        array[:7] = VALUES
    group = ZipParser()(tmp_path / "a.zip")
    assert_whole(group)
    assert group["v"].codecs[-1]["name"] == "zstd"  # type: ignore[union-attr] # stored: plain ranges
    assert ZarrParser()(tmp_path / "a.zip") == group
    assert open_virtual_dataset(tmp_path / "a.zip")["v"].attrs == {"units": "m"}


@pytest.mark.parametrize("prefix", ["", "a.zarr/", "deep/down/a.zarr/"])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_at_any_depth_stored_or_deflated(tmp_path: Path, prefix: str, compression: int) -> None:
    path = pack(tmp_path / "a.zip", store(tmp_path / "s"), prefix=prefix, compression=compression)
    group = ZipParser()(path)
    assert_whole(group)
    codec = group["v"].codecs[-1]["name"]  # type: ignore[union-attr]
    assert codec == ("zstd" if compression == zipfile.ZIP_STORED else "vzlab.zip_member")


def _with_comment(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"PK\x05\x06 in a comment" * 100


def _with_data_before(path: Path) -> None:
    path.write_bytes(b"#!/bin/sh\nexit\n" * 50 + path.read_bytes())


def _with_an_older_chunk(path: Path) -> None:
    newest = zipfile.ZipFile(path).read("v/c/0/0")
    folder = path.with_suffix(".tmp")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(folder, "w") as new:
        new.writestr("v/c/0/0", b"old")
        for name in old.namelist():
            if name != "v/c/0/0":
                new.writestr(name, old.read(name))
        with pytest.warns(UserWarning, match="Duplicate"):
            new.writestr("v/c/0/0", newest)
    folder.replace(path)


@pytest.mark.parametrize("change", [_with_comment, _with_data_before, _with_an_older_chunk])
def test_oddities_of_archives(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = pack(tmp_path / "a.zip", store(tmp_path / "s"))
    change(path)
    assert_whole(ZipParser()(path))


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("streamed", [False, True])
def test_zip64_and_streamed_members(tmp_path: Path, compression: int, streamed: bool) -> None:
    class Pipe:
        """A file that cannot seek: sizes are written behind each member."""

        def __init__(self, file: Any) -> None:
            self.write, self.flush = file.write, file.flush

    folder = store(tmp_path / "s")
    with (
        (tmp_path / "a.zip").open("wb") as file,
        zipfile.ZipFile(Pipe(file) if streamed else file, "w", compression) as archive,  # type: ignore[arg-type]
    ):
        for item in sorted(item for item in folder.rglob("*") if item.is_file()):
            with archive.open(item.relative_to(folder).as_posix(), "w", force_zip64=True) as member:
                member.write(item.read_bytes())
    assert_whole(ZipParser()(tmp_path / "a.zip"))


def test_end_records_and_offsets_of_zip64(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", store(tmp_path / "s"))
    data = path.read_bytes()
    end = data.rindex(b"PK\x05\x06")
    _, _, _, _, n, _, offset, _ = struct.unpack("<4s4HIIH", data[end:])
    headers, at = b"", offset
    for _ in range(n):
        head = bytearray(data[at : at + 46])
        n_name, n_extra, n_comment = struct.unpack_from("<3H", head, 28)
        packed, size, place = (struct.unpack_from("<I", head, i)[0] for i in (20, 24, 42))
        for i in (20, 24, 42):
            struct.pack_into("<I", head, i, 0xFFFFFFFF)
        struct.pack_into("<H", head, 30, 28)
        name = data[at + 46 : at + 46 + n_name]
        headers += bytes(head) + name + struct.pack("<HHQQQ", 1, 24, size, packed, place)
        at += 46 + n_name + n_extra + n_comment
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, n, n, len(headers), offset)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, offset + len(headers), 1)
    last = struct.pack("<4s4HIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(data[:offset] + headers + record + locator + last)
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == n
    assert_whole(ZipParser()(path))


def test_members_of_other_compressions_are_refused_by_name(tmp_path: Path) -> None:
    folder = store(tmp_path / "s")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in sorted(item for item in folder.rglob("*") if item.is_file()):
            name = file.relative_to(folder).as_posix()
            archive.write(file, name, zipfile.ZIP_BZIP2 if "/c/" in name else None)
    group = ZipParser()(tmp_path / "a.zip")
    assert "compressed with bzip2" in group.unreadable["v"].reason
    assert "'v/c/0/0'" in group.unreadable["v"].reason


def test_a_stored_file_is_opened_where_it_lies(tmp_path: Path) -> None:
    for name in ("one.h5", "two.h5"):
        with h5py.File(tmp_path / name, "w") as file:
            file.create_dataset("v", data=np.arange(100.0), chunks=(10,), compression="gzip")
            file.create_dataset("words", data=["a", "bc"], dtype=h5py.string_dtype())
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("README.txt", "read me")
        archive.write(tmp_path / "one.h5", "data/one.h5")
    group = ZipParser()(tmp_path / "a.zip")
    assert group["v"].manifest.urls == ((tmp_path / "a.zip").as_uri(),)  # type: ignore[union-attr]
    plain = HDF5Parser()(tmp_path / "one.h5")
    for name in ("v", "words"):
        assert values(group, name).tolist() == values(plain, name).tolist()
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.write(tmp_path / "two.h5", "two.h5")
    with pytest.raises(UnsupportedFormatError, match=r"'data/one.h5', 'two.h5'.*member="):
        ZipParser()(tmp_path / "a.zip")
    assert values(ZipParser(member="two.h5")(tmp_path / "a.zip")).sum() == 4950
    with pytest.raises(FileNotFoundError, match="three"):
        ZipParser(member="three.h5")(tmp_path / "a.zip")


def test_a_deflated_file_is_refused_by_name(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file["v"] = 1
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "one.h5", "one.h5")
    with pytest.raises(UnsupportedFormatError, match=r"'one.h5' in .* is deflated.*zip -0"):
        ZipParser()(tmp_path / "a.zip")


def test_few_ranges_are_read_over_http(tmp_path: Path, http_server: Any) -> None:
    folder = store(tmp_path / "s")
    (folder / "big").mkdir()
    path = pack(tmp_path / "a.zip", folder)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other.bin", bytes(300_000))
    server = http_server(tmp_path)
    group = ZipParser()(server.url("a.zip"))
    # The first bytes, which hold the documents, and the end with the directory.
    assert len(server.requests) == 2
    np.testing.assert_array_equal(values(group)[:7], VALUES)


def test_an_archive_truncated_anywhere_or_with_a_changed_byte_never_gives_other_values(
    tmp_path: Path,
) -> None:
    path = pack(tmp_path / "a.zip", store(tmp_path / "s"))
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
    damaged = tmp_path / "d.zip"
    for length in range(0, len(data), 97):
        damaged.write_bytes(data[:length])
        with pytest.raises(VzlabError):
            ZipParser()(damaged)
    sound = ZipParser()(path)
    good = sound["v"]
    rng = np.random.default_rng(0)
    for at in rng.integers(start, len(data), 300).tolist():
        damaged.write_bytes(data[:at] + bytes([data[at] ^ (1 << rng.integers(8))]) + data[at + 1 :])
        try:
            array = ZipParser()(damaged)["v"]
        except (VzlabError, KeyError):
            continue
        # A reference that is there is to the bytes that it was to: at most a chunk is missing under its name.
        same = (array.manifest.offsets == good.manifest.offsets) & (
            array.manifest.lengths == good.manifest.lengths
        )  # type: ignore[union-attr]
        assert (same | (array.manifest.lengths == 0)).all()  # type: ignore[union-attr]


DEFLATE = zlib.compressobj(wbits=-zlib.MAX_WBITS)
LONG = DEFLATE.compress(bytes(10_000)) + DEFLATE.flush()


@pytest.mark.parametrize("stored", [b"\xff" * 20, LONG], ids=["no-deflate", "longer-than-told"])
def test_a_deflated_document_that_does_not_unpack_as_told_is_refused(stored: bytes, tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", store(tmp_path / "s"), compression=zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(path) as archive:
        member = next(m for m in archive.infolist() if m.filename.endswith("zarr.json"))
    data = bytearray(path.read_bytes())
    start = member.header_offset + 30 + len(member.filename)
    data[start : start + len(stored)] = stored
    path.write_bytes(data)
    with pytest.raises(CorruptFileError, match=r"zarr\.json.*(is damaged|expected)"):
        ZipParser()(path)


def test_a_directory_of_impossible_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(struct.pack("<4s4HIIH", b"PK\x05\x06", 0, 0, 9, 9, 0x7FFFFFFF, 0, 0))
    with pytest.raises(CorruptFileError, match="truncated or damaged"):
        read_directory(StoreRegistry().open(path))


@pytest.mark.slow
def test_deflated_chunks_open_from_icechunk_in_a_process_without_vzlab_imported(tmp_path: Path) -> None:
    icechunk = pytest.importorskip("icechunk")
    path = pack(tmp_path / "a.zip", store(tmp_path / "s"), compression=zipfile.ZIP_DEFLATED)
    open_virtual_dataset(path, loadable_variables=[]).vzlab.to_icechunk(tmp_path / "repo")
    assert icechunk.Repository.exists(icechunk.local_filesystem_storage(str(tmp_path / "repo")))
    code = f"""
import icechunk as ic, xarray as xr
repo = ic.Repository.open(ic.local_filesystem_storage({str(tmp_path / "repo")!r}),
    authorize_virtual_chunk_access=ic.containers_credentials({{"file://{tmp_path}/": None}}))
print(xr.open_zarr(repo.readonly_session("main").store, consolidated=False)["v"].values[:7].sum())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == VALUES.sum()
