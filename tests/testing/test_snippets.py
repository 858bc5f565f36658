"""What a finding says to run shows the difference again, by the library of each format alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import vzlab as vz
import vzlab.testing as vt
from tests.archives import write_daily_file
from tests.testing.one_of_each import MAKERS
from vzlab.testing.faults import Site

CASES = {
    "HDF5Parser": ("sst", "swapped_chunks", "h5py.File("),
    "NetCDF3Parser": ("sst", "flipped_bit", "xarray.open_dataset("),
    "ZarrParser": ("sst", "swapped_chunks", "zarr.open_array("),
    "TIFFParser": ("", "byte_order", "tifffile.imread("),
    "FITSParser": ("PRIMARY", "flipped_bit", "astropy.io.fits.getdata("),
    "GRIBParser": ("", "", "engine='cfgrib'"),
    "ENVIParser": ("image", "flipped_bit", "numpy.memmap("),
    "NIfTIParser": ("image", "flipped_bit", "read_native("),
}


def run_and_count(snippet: str, capsys: pytest.CaptureFixture[str], **names: object) -> int:
    assert len(snippet.splitlines()) <= 5
    capsys.readouterr()
    exec(snippet, names)
    return int(capsys.readouterr().out.split()[0])


def chunked_zarr(folder: Path) -> Path:
    path = folder / "cube.zarr"
    x = zarr.create_array(str(path), name="sst", shape=(8, 12), chunks=(4, 6), dtype="i4")
    x[...] = np.arange(96).reshape(8, 12)
    return path


def change_last_value(copy: Path, offset: int, length: int) -> None:
    """The last byte of the data section of a GRIB message, before the four sevens that end it."""
    data = bytearray(copy.read_bytes())
    data[offset + length - 5] ^= 0xF0
    copy.write_bytes(data)


@pytest.mark.parametrize("parser", CASES)
def test_each_kind_of_reader_shows_its_findings_again(
    parser: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    variable, fault, library = CASES[parser]
    file = MAKERS[parser](tmp_path) if parser != "ZarrParser" else chunked_zarr(tmp_path)
    group = vz.open_group(file)
    variable = variable or next(path for path, array in group.walk_arrays() if array.manifest.n_virtual)
    (tmp_path / "damaged").mkdir()
    if fault:
        made = vt.faults.FAULTS[fault]
        wrong = made(group, variable, tmp_path / "damaged" if made.needs_folder else None)
    else:
        wrong = Site(x=group, variable=variable, chunk=None, folder=tmp_path / "damaged").with_copy(
            change_last_value
        )
    finding = next(f for f in vt.compare(wrong, file, exact=True).findings if f.level == "L4")
    assert library in finding.snippet
    assert run_and_count(finding.snippet, capsys, virtual=wrong) > 0


def test_a_dataset_that_the_caller_opened_goes_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_daily_file(tmp_path / "day.nc")
    wrong = vt.faults.drifted_scale(vz.open_virtual_dataset(file), "sst")
    with xr.open_dataset(file, engine="h5netcdf") as native:
        finding = next(f for f in vt.compare(wrong, native).findings if f.level == "L5")
        assert run_and_count(finding.snippet, capsys, virtual=wrong, native=native) > 0


def test_what_dask_computes_one_by_one_is_compared_one_by_one(tmp_path: Path) -> None:
    file = write_daily_file(tmp_path / "day.nc")
    with xr.open_dataset(file, engine="h5netcdf", chunks={"time": 3, "lat": 10}) as opened:
        comparison = vt.compare(opened, file, exact=True)
        assert comparison.verdict == "PASS", str(comparison)
        (bound,) = [b for b in comparison.bounds if b.variable == "sst"]
        assert bound.n_checked == bound.n_chunks == int(np.prod(opened["sst"].data.numblocks)) > 1
        finding = next(
            f
            for f in vt.compare(opened.assign(sst=opened.sst + 1), file, exact=True).findings
            if f.level == "L5"
        )
        assert finding.chunk == (0, 0, 0)
