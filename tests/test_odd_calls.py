"""Mistakes that newcomers make are answered with what was found and what was expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import vzlab as vz
from vzlab.errors import WriteError


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return vz.samples.make_daily_archive(tmp_path_factory.mktemp("archive"), n_files=1).files[0]


@pytest.mark.parametrize(
    "call", [vz.open_virtual_mfdataset, vz.open_virtual_mfdatatree, vz.check_combine, vz.reencode_plan]
)
def test_no_sources_at_all(call: Any) -> None:
    with pytest.raises(ValueError, match="no sources were given"):
        call([])


def test_an_empty_list_is_not_inspected() -> None:
    with pytest.raises(TypeError, match="Found an empty list; expected a url or path"):
        vz.inspect([])


@pytest.mark.parametrize(
    ("parser", "example"),
    [("hdf5", r"vz\.parsers\.HDF5Parser\(\)"), (vz.parsers.HDF5Parser, r"HDF5Parser\(\)")],
)
def test_a_parser_is_an_instance(day: Path, parser: Any, example: str) -> None:
    for call in (vz.open_virtual_dataset, vz.inspect):
        with pytest.raises(TypeError, match=f"expected an instance of a parser, such as {example}"):
            call(day, parser=parser)


def test_a_repository_is_not_written_over_a_file(day: Path) -> None:
    before = day.read_bytes()
    with pytest.raises(WriteError, match="is a file; expected a place for a repository"):
        vz.open_virtual_dataset(day).vzlab.to_icechunk(day)
    assert day.read_bytes() == before


def test_a_misspelt_name_suggests_the_right_one() -> None:
    with pytest.raises(AttributeError) as caught:
        vz.inspct  # type: ignore[attr-defined]  # noqa: B018
    assert caught.value.name == "inspct"
    assert caught.value.obj is vz  # Python looks for likenesses there


def test_text_of_one_line_still_says_what_it_is_of(day: Path) -> None:
    first, more = vz.inspect(day).to_text(max_lines=1).splitlines()
    assert first.startswith(day.name)
    assert "more lines" in more


def test_the_cost_of_a_scalar_has_neither_brackets_nor_chunks(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr" / "s", data=np.array(3))
    zarr.open_group(tmp_path / "a.zarr")
    text = str(vz.cost(tmp_path / "a.zarr", "s"))
    assert text.splitlines()[0] == "s   scalar"


def test_arrays_without_dimensions_of_several_lengths_make_one_dataset(tmp_path: Path) -> None:
    group = {
        ".zgroup": '{"zarr_format": 2}',
        **{
            f"{name}/.zarray": f'{{"zarr_format":2,"shape":[{n}],"chunks":[{n}],"dtype":"|u1","compressor":null,'
            f'"fill_value":0,"order":"C","filters":null}}'
            for name, n in {"a": 5, "b": 7}.items()
        },
        "a/0": "base64:" + "AAAAAAA=",
        "b/0": "base64:" + "AAAAAAAAAA==",
    }
    assert dict(vz.open_virtual_dataset(group).sizes) == {"phony_dim_0": 5, "phony_dim_1": 7}
    icechunk = pytest.importorskip("icechunk")
    repository = icechunk.Repository.create(icechunk.in_memory_storage())
    session = repository.writable_session("main")
    stored = zarr.create_group(session.store)
    stored.create_array("a", data=np.zeros(5, "u1"))
    stored.create_array("b", data=np.zeros(7, "u1"))
    assert dict(vz.open_virtual_dataset(session).sizes) == {"phony_dim_0": 5, "phony_dim_1": 7}
