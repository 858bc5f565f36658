"""Pictures are read back, pixel for pixel, by an independent decoder."""

from __future__ import annotations

import numpy as np
import pytest

from tests.inspection.arrays import virtual_array
from vzlab.inspection import inspect
from vzlab.manifests import ManifestGroup
from vzlab.render.maps import INLINE, MISSING, OWN, colourings, draw_byte_map, draw_chunk_map
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


def test_a_byte_map_is_coloured_where_the_chunks_lie():
    variable, _ = variable_of(grid=(20,), file_bytes=10_000)
    picture = draw_byte_map(variable.byte_map, name="a")
    pixels = decode(picture.png)
    bottom = (pixels[-1, :, :3] == OWN).all(axis=1)
    end = 100 + variable.stored_bytes
    assert bottom.nonzero()[0].min() == pytest.approx(pixels.shape[1] * 100 / 10_000, abs=4)
    assert bottom.nonzero()[0].max() == pytest.approx(pixels.shape[1] * end / 10_000, abs=4)
    assert "of the file" in picture.alt
