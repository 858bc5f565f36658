"""Pictures are read back, pixel for pixel, by an independent decoder."""

from __future__ import annotations

import netCDF4
import numpy as np
import pytest
from scipy.io import netcdf_file

import vzlab as vz
from tests.inspection.arrays import virtual_array
from vzlab.inspection import inspect
from vzlab.inspection.chunk_map import SEVERAL_SOURCES
from vzlab.manifests import ManifestGroup
from vzlab.render.maps import (
    INLINE,
    METADATA,
    MISSING,
    OWN,
    colourings,
    draw_byte_map,
    draw_chunk_map,
    draw_chunk_slices,
    is_out_of_order,
)
from vzlab.render.png import encode_png

imagecodecs = pytest.importorskip("imagecodecs")


def decode(png: bytes) -> np.ndarray:
    """Red, green, blue and opacity of each pixel: shape (height, width, 4)."""
    pixels = imagecodecs.png_decode(png)
    if pixels.shape[-1] == 3:
        pixels = np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 255, np.uint8)], axis=-1)
    return pixels


@pytest.mark.parametrize("n_colours", [1, 2, 3, 4, 5, 16, 17, 256])
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (5, 8), (16, 33)])
def test_pixels_come_back(n_colours, shape):
    rng = np.random.default_rng(n_colours)
    palette = rng.integers(0, 256, (n_colours, 4), dtype=np.uint8)
    pixels = rng.integers(0, n_colours, shape, dtype=np.uint8)
    np.testing.assert_array_equal(decode(encode_png(pixels, palette)), palette[pixels])


@pytest.mark.parametrize(
    ("pixels", "palette"),
    [
        (np.zeros((0, 3), np.uint8), np.zeros((1, 4), np.uint8)),
        (np.full((2, 2), 3, np.uint8), np.zeros((2, 4), np.uint8)),
    ],
)
def test_a_picture_that_cannot_be_is_refused(pixels, palette):
    with pytest.raises(ValueError, match=r"expected a picture|points to colour"):
        encode_png(pixels, palette)


def variable_of(**options):
    found = inspect(ManifestGroup(arrays={"a": virtual_array(**options)}))
    return found["a"], [source.name for source in found.sources]


def colours_in(png: bytes) -> set[tuple[int, ...]]:
    return {tuple(pixel[:3]) for pixel in decode(png).reshape(-1, 4).tolist() if pixel[3] == 255}


def test_every_chunk_of_a_small_grid_is_a_tile_of_its_colour():
    variable, _ = variable_of(grid=(3, 4))
    picture = draw_chunk_map(variable.chunk_map, colour_by="size")
    pixels = decode(picture.png)
    side = pixels.shape[1] // 4
    tiles = {
        (y, x): tuple(pixels[y * side + side // 2, x * side + side // 2, :3])
        for y in range(3)
        for x in range(4)
    }
    sizes = variable.chunk_map.max_bytes
    smallest, largest = (
        np.unravel_index(sizes.argmin(), sizes.shape),
        np.unravel_index(sizes.argmax(), sizes.shape),
    )
    assert tiles[tuple(map(int, smallest))] == picture.legend[0][0]
    assert tiles[tuple(map(int, largest))] == picture.legend[-1][0]
    assert "3 chunks along lat down and 4 along lon across" in picture.alt


def test_missing_and_inline_chunks_are_marked_and_told():
    variable, _ = variable_of(grid=(4, 6), n_missing=3, n_inline=2)
    picture = draw_chunk_map(variable.chunk_map, colour_by="ratio")
    assert {MISSING, INLINE} <= colours_in(picture.png)
    assert [text for _, text in picture.legend[-2:]] == ["3 never written", "2 inline"]
    assert "3 chunks never written" in picture.alt


def test_one_missing_among_many_folded_chunks_is_still_marked():
    variable, _ = variable_of(grid=(50, 20, 30), n_missing=1)
    assert MISSING in colours_in(draw_chunk_map(variable.chunk_map, colour_by="ratio").png)


def test_files_have_colours_of_their_own():
    variable, names = variable_of(grid=(12, 5), n_sources=3)
    assert colourings(variable.chunk_map) == ("ratio", "source")
    picture = draw_chunk_map(variable.chunk_map, colour_by="source", source_names=names)
    assert [text for _, text in picture.legend[:3]] == names
    assert {colour for colour, _ in picture.legend[:3]} <= colours_in(picture.png)


@pytest.mark.parametrize("grid", [(2, 1000), (1000, 2), (300, 300), (7,), (700,), (3, 3, 3, 3)])
def test_a_picture_keeps_to_its_bytes(grid):
    variable, _ = variable_of(grid=grid)
    picture = draw_chunk_map(variable.chunk_map, colour_by="ratio", max_bytes=4000)
    assert len(picture.png) <= 4000
    height, width = decode(picture.png).shape[:2]
    assert width == picture.width_px
    assert 16 <= height <= 600
    assert 90 <= width <= 600


def test_a_chunk_map_by_place_says_where_chunks_lie_that_are_out_of_order(tmp_path):
    array = virtual_array((4, 5), shuffled=True, n_missing=3)
    found = inspect(ManifestGroup(arrays={"a": array}))
    chunks = found["a"].chunk_map
    assert is_out_of_order(chunks)
    there = chunks.n_missing == 0
    assert (chunks.offset[there] == array.manifest.offsets[there]).all()
    assert (chunks.offset[~there] == -1).all()
    picture = draw_chunk_map(chunks, colour_by="offset")
    assert picture.legend_title == "begins at:"
    assert {picture.legend[0][0], picture.legend[3][0]} <= colours_in(picture.png)
    assert "Chunks by place in the file" in found._repr_html_()
    halves = chunks.rebin(2).offset
    assert halves[0, 0] == chunks.offset[:2, :2][there[:2, :2]].min()
    assert not is_out_of_order(variable_of(grid=(4, 5))[0].chunk_map)
    found = inspect(ManifestGroup(arrays={"a": virtual_array((4, 5), n_sources=3)}))
    with pytest.raises(ValueError, match="3 files"):
        found.to_png(tmp_path / "map.png", "a", colour_by="offset")


def test_a_byte_map_is_coloured_where_the_chunks_lie():
    variable, _ = variable_of(grid=(20,), file_bytes=10_000)
    picture = draw_byte_map(variable.byte_map, name="a")
    pixels = decode(picture.png)
    bottom = (pixels[-1, :, :3] == OWN).all(axis=1)
    end = 100 + variable.stored_bytes
    assert bottom.nonzero()[0].min() == pytest.approx(pixels.shape[1] * 100 / 10_000, abs=4)
    assert bottom.nonzero()[0].max() == pytest.approx(pixels.shape[1] * end / 10_000, abs=4)
    assert "of the file" in picture.alt


def test_a_byte_map_tells_metadata_from_gaps_where_the_format_says_which_bytes_they_are(tmp_path):
    path = tmp_path / "classic.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("x", 5)
        file.history = "made " * 40
        # Each takes 10 bytes, and two of padding (NetCDF classic format specification, "vsize").
        for name in ("a", "b"):
            file.createVariable(name, "i2", ("x",))[:] = range(5)
    found = vz.inspect(path)
    strips = found["a"].byte_map
    # scipy's reader says where the values begin: it maps the file into memory.
    with netcdf_file(path) as file:
        begin = file.variables["a"].data.ctypes.data - file._mm_buf.ctypes.data
    assert strips.metadata_bytes == begin
    assert strips.own_bytes == strips.other_bytes == 10
    assert strips.rest_bytes == path.stat().st_size - begin - 20 == 4
    assert strips.metadata[0, 0] == 1
    assert strips.metadata.sum() * strips.file_bytes / strips.metadata.size == pytest.approx(begin)
    picture = draw_byte_map(strips, name="a")
    assert METADATA in colours_in(picture.png)
    assert [text for _, text in picture.legend][2:] == [f"metadata {begin} B", "gaps 4 B"]


def test_a_byte_map_does_not_guess_which_bytes_are_metadata():
    variable, _ = variable_of(grid=(20,), file_bytes=10_000)
    picture = draw_byte_map(variable.byte_map, name="a")
    assert variable.byte_map.metadata is None
    assert METADATA not in colours_in(picture.png)
    assert picture.legend[-1][1].startswith("metadata or gaps")


def test_slices_have_one_scale_and_stand_in_reading_order():
    variable, _ = variable_of(grid=(3, 4, 5))
    slices = variable.chunk_map.slices
    assert [(cut.dim, cut.position, cut.n_positions) for cut in slices] == [("time", i, 3) for i in range(3)]
    picture = draw_chunk_slices(slices, colour_by="size")
    pixels = decode(picture.png)
    side = (pixels.shape[1] - 2 * 8) // 15
    for panel, cut in enumerate(slices):
        left = panel * (5 * side + 8)
        tiles = pixels[side // 2 :: side, left + side // 2 : left + 5 * side : side]
        for at, colour in ((cut.map.max_bytes.argmin(), 0), (cut.map.max_bytes.argmax(), -1)):
            is_end = cut.map.max_bytes.flat[at] == [min, max][colour](
                int(c.map.max_bytes.flat[i]) for c in slices for i in range(20)
            )
            if is_end:
                assert tuple(tiles[divmod(int(at), 5)][:3]) == picture.legend[colour][0]
    assert picture.caption == "all 3 along time · each lat 4 ↓ lon 5 →"


def test_of_many_slices_the_first_the_last_and_some_between_are_drawn():
    variable, _ = variable_of(grid=(100, 6, 9))
    slices = variable.chunk_map.slices
    assert len(slices) == 12
    assert (slices[0].position, slices[-1].position) == (0, 99)
    whole = variable.chunk_map
    assert all((cut.map.n_chunks == 1).all() and cut.map.shape == whole.shape for cut in slices)
    assert "of 100" in draw_chunk_slices(slices, colour_by="ratio").caption


def test_slices_say_the_file_where_all_of_them_together_cannot():
    variable, names = variable_of(grid=(4, 7, 8), n_sources=4)
    assert colourings(variable.chunk_map) == ("ratio",)
    assert (variable.chunk_map.source == SEVERAL_SOURCES).all()
    slices = variable.chunk_map.slices
    assert [int(cut.map.source[0, 0]) for cut in slices] == [0, 1, 2, 3]
    picture = draw_chunk_slices(slices, colour_by="source", source_names=names)
    assert {colour for colour, _ in picture.legend} <= colours_in(picture.png)


def test_a_grid_of_two_dimensions_has_no_slices():
    variable, _ = variable_of(grid=(1, 7, 8))
    assert variable.chunk_map.slices == ()


@pytest.mark.parametrize("kind", ["chunks", "slices", "bytes"])
def test_a_map_is_written_as_a_picture_that_says_what_it_shows(tmp_path, kind):
    pillow = pytest.importorskip("PIL.Image")
    found = inspect(ManifestGroup(arrays={"a": virtual_array((3, 4, 5))}))
    path = found.to_png(tmp_path / "map.png", "a", kind=kind)
    with pillow.open(path) as picture:
        assert picture.size[0] >= 90
        assert {"chunks": "4 chunks along lat", "slices": "3 slices along time", "bytes": "of the file"}[
            kind
        ] in picture.text["Description"]


def test_a_map_that_cannot_be_drawn_is_refused_with_the_reason(tmp_path):
    found = inspect(ManifestGroup(arrays={"one": virtual_array((1,)), "flat": virtual_array((3, 4))}))
    for variable, kind, reason in (("one", "chunks", "several chunks"), ("flat", "slices", "two dimensions")):
        with pytest.raises(ValueError, match=reason):
            found.to_png(tmp_path / "map.png", variable, kind=kind)
