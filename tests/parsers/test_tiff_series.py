"""Series of TIFF pages as one variable, against tifffile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from vzlab.manifests import ManifestGroup
from vzlab.parsers import TIFFParser
from vzlab.storage import as_registry, read_array

VALUES = np.arange(2 * 3 * 4 * 20 * 24, dtype="u2").reshape(2, 3, 4, 20, 24)


def parse(path: Path) -> ManifestGroup:
    """The series of a file."""
    return TIFFParser(layout="series")(path)


def assert_series_equal(path: Path, names: tuple[str, ...]) -> None:
    """Fail unless the first series is virtual and reads as tifffile reads it."""
    array = parse(path)["0"]
    np.testing.assert_array_equal(read_array(array, as_registry(None)), tifffile.imread(path))
    assert array.metadata.dimension_names == names


@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}], ids=["plain", "zlib", "tiles"]
)
def test_ome_series_have_the_dimensions_of_their_metadata(options: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "stack.ome.tif"
    tifffile.imwrite(path, VALUES, metadata={"axes": "TCZYX"}, photometric="minisblack", **options)
    assert_series_equal(path, ("time", "channel", "z", "y", "x"))


def test_imagej_stacks_of_one_directory_are_planes(tmp_path: Path) -> None:
    path = tmp_path / "imagej.tif"
    tifffile.imwrite(path, VALUES[0], imagej=True, metadata={"axes": "ZCYX"}, photometric="minisblack")
    assert_series_equal(path, ("z", "channel", "y", "x"))


def test_bands_of_a_stack_come_before_rows(tmp_path: Path) -> None:
    path = tmp_path / "rgb.ome.tif"
    values = (VALUES[0, :, :3] % 251).astype("u1")
    values = np.moveaxis(values, 1, -1)
    tifffile.imwrite(path, values, metadata={"axes": "TYXS"}, photometric="rgb", compression="zlib")
    array = parse(path)["0"]
    assert array.metadata.dimension_names == ("time", "band", "y", "x")
    np.testing.assert_array_equal(read_array(array, as_registry(None)), np.moveaxis(values, -1, 1))


def test_an_image_over_several_files_refers_to_each(tmp_path: Path) -> None:
    names = ["a.ome.tif", "b.ome.tif"]
    planes = "".join(
        f'<TiffData IFD="0" FirstT="{t}" PlaneCount="1"><UUID FileName="{name}">urn:uuid:0000000{t}-0000-0000-0000-000000000000'
        "</UUID></TiffData>"
        for t, name in enumerate(names)
    )
    for t, name in enumerate(names):
        xml = (
            '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:0000000{t}-0000-0000-0000-000000000000"><Image ID="Image:0"><Pixels ID="Pixels:0" '
            'DimensionOrder="XYZCT" Type="uint16" SizeX="24" SizeY="20" SizeZ="1" SizeC="1" SizeT="2">'
            f"{planes}</Pixels></Image></OME>"
        )
        tifffile.imwrite(tmp_path / name, VALUES[t, 0, 0], description=xml, metadata=None)
    array = parse(tmp_path / names[0])["0"]
    assert [source.url.rpartition("/")[2] for source in array.manifest.sources] == names
    np.testing.assert_array_equal(read_array(array, as_registry(None)), VALUES[:, 0, 0])
    (tmp_path / names[1]).unlink()
    assert "not found" in parse(tmp_path / names[0]).unreadable["0"].reason


def test_a_layout_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 'pages' or 'series'"):
        TIFFParser(layout="planes")  # type: ignore[arg-type]
