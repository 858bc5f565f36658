"""The codecs are found by name, by readers that do not import vzlab; and the package stays light."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import hdf5plugin
import numcodecs
import numpy as np
import pytest
import zarr
from zarr.registry import get_codec_class

from tests.codecs.hdf5_chunks import write_raw
from vzlab.codecs import codec_chain

PYPROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
ENTRY_POINTS = PYPROJECT["project"]["entry-points"]

READ_WITHOUT_VZLAB = """
import json, sys
import zarr
if sys.argv[2] != "default":
    zarr.config.set({"codec_pipeline.path": sys.argv[2]})
names = sys.argv[3:]
print(json.dumps({n: zarr.open_array(sys.argv[1] + "/" + n, mode="r")[...].tolist() for n in names}))
"""


def run_python(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("group", ["zarr.codecs", "numcodecs.codecs"])
def test_installed_entry_points_are_those_of_the_project(group: str) -> None:
    installed = {e.name: e.value for e in entry_points(group=group) if e.name.startswith("vzlab.")}
    assert installed == ENTRY_POINTS[group]


@pytest.mark.parametrize("name", sorted(ENTRY_POINTS["zarr.codecs"]))
def test_each_zarr_codec_answers_to_its_name(name: str) -> None:
    made = get_codec_class(name)
    assert getattr(made, "codec_name", name) == name
    assert made.__module__.startswith("vzlab.codecs.")


@pytest.mark.parametrize("name", sorted(ENTRY_POINTS["numcodecs.codecs"]))
def test_each_numcodecs_codec_has_the_name_of_a_zarr_codec(name: str) -> None:
    (entry,) = entry_points(group="numcodecs.codecs", name=name)
    assert entry.load().codec_id == name
    assert name in ENTRY_POINTS["zarr.codecs"]


OWN: dict[str, dict[str, Any]] = {
    "lzf": {"compression": "lzf"},
    "szip": {"compression": "szip"},
    "scaleoffset": {"scaleoffset": 0},
    "bitshuffle": dict(hdf5plugin.Bitshuffle()),
    "blosc2": dict(hdf5plugin.Blosc2()),
    "zfp": dict(hdf5plugin.Zfp(reversible=True)),
    "lz4": dict(hdf5plugin.LZ4()),
}


def store_chunk_of(options: Any, values: np.ndarray[Any, Any], folder: Path) -> None:
    """Store what h5py wrote as a Zarr array of one chunk."""
    raw = write_raw(values, values.shape, options)
    assert raw.chunks[0].filter_mask == 0
    metadata = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": values.shape,
        "data_type": "int32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": values.shape}},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": 0,
        "codecs": codec_chain(raw.filters, raw.dtype, raw.chunk_shape),
    }
    chunk = folder / "c" / "0" / "0"
    chunk.parent.mkdir(parents=True)
    chunk.write_bytes(raw.chunks[0].data)
    (folder / "zarr.json").write_text(json.dumps(metadata), encoding="utf-8")


@pytest.mark.parametrize(
    "pipeline", ["default", "zarr.core.codec_pipeline.FusedCodecPipeline"], ids=["batched", "fused"]
)
def test_a_fresh_reader_opens_stored_arrays(pipeline: str, tmp_path: Path) -> None:
    values = np.arange(200, dtype="<i4").reshape(10, 20) // 30
    for name, options in OWN.items():
        store_chunk_of(options, values, tmp_path / name)
    found = json.loads(run_python(READ_WITHOUT_VZLAB, str(tmp_path), pipeline, *OWN))
    assert found == dict.fromkeys(OWN, values.tolist())


def test_metadata_goes_through_zarr_unchanged() -> None:
    for name in ENTRY_POINTS["zarr.codecs"]:
        entry = {"name": name, "configuration": {"stored_shape": [3]} if name == "vzlab.crop" else {"x": 1}}
        assert get_codec_class(name).from_dict(entry).to_dict() == entry


def test_configurations_go_through_numcodecs_unchanged() -> None:
    config = {"id": "vzlab.lzf", "nbytes": 12}
    assert numcodecs.get_codec(config).get_config() == config


LIGHT_UNTIL_USED = """
import sys
import numpy
import vzlab.codecs as codecs
print({"zarr", "imagecodecs", "h5py"} & set(sys.modules))
lzf = codecs.Hdf5Filter(id=32000)
codecs.codec_chain([lzf], numpy.dtype("i4"), (3,))
print("imagecodecs" in sys.modules)
sys.modules["imagecodecs"] = None
try:
    codecs.codec_chain([lzf], numpy.dtype("i4"), (3,))
except ImportError as error:
    print(type(error).__name__, error)
"""


def test_imports_are_light_and_a_missing_imagecodecs_is_told_when_parsing() -> None:
    at_import, after_parsing, without = run_python(LIGHT_UNTIL_USED).splitlines()
    assert at_import == "set()"
    assert after_parsing == "False"
    assert without.startswith("MissingDependencyError")
    assert "vzlab[hdf5]" in without


def test_zarr_names_the_codec_when_a_chunk_is_damaged() -> None:
    store = zarr.storage.MemoryStore()
    lzf = get_codec_class("vzlab.lzf").from_dict({"name": "vzlab.lzf", "configuration": {"nbytes": 36}})
    array = zarr.create_array(store, shape=(9,), chunks=(9,), dtype="int32", compressors=[lzf])
    array[...] = np.arange(9)
    store._store_dict["c/0"] = zarr.core.buffer.cpu.Buffer.from_bytes(b"\xff" * 8)
    with pytest.raises(ValueError, match=r"vzlab\.lzf could not decode 8 bytes"):
        array[...]
