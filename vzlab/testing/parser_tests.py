"""What every parser must do, as a suite of tests that a parser's own tests subclass; needs pytest."""

from __future__ import annotations

import gzip
import pickle
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import zarr

from vzlab.errors import VzlabError
from vzlab.manifests import ManifestArray, ManifestGroup
from vzlab.storage import ManifestStore, RequestLog, as_registry
from vzlab.testing.compare import compare
from vzlab.testing.difference import compare_arrays

_LOGIN_PAGE = b"<!DOCTYPE html>\n<html><head><title>Please log in</title></head></html>\n"
_CUTS = (0.02, 0.5, 0.98)
"""Shares of a file at which it is cut."""


class ParserTests:
    """The contract of a parser ``(url, registry) -> ManifestGroup``.

    Subclass it in a module of tests, with a name that pytest collects, and say what is tested:

    Attributes
    ----------
    parser : callable
        The parser's class; called with ``group=`` and ``drop_variables=``. Override `make_parser` for a plain function.
    files : iterable of path
        Sound files, or directories for formats that are directories. Define a fixture ``file`` in their place to make them.
    oracle : callable, optional
        ``oracle(file)`` gives a mapping from paths of variables to what an independent reader reads: arrays, or what is
        sliced like them. Without it, vzlab's own table of independent readers is asked, and the test skips if it has none.
    max_parse_bytes : int
        Bytes that parsing one of the files may read.
    deadline_s : float
        Seconds within which bad input must be refused.
    reads_gzip : bool
        Whether a file in gzip is read as if it were not.

    Examples
    --------
    >>> import h5py
    >>> from vzlab.parsers import HDF5Parser
    >>> class TestMyParser(ParserTests):
    ...     parser = HDF5Parser
    ...     files = ["one.h5"]
    ...     oracle = staticmethod(lambda file: {"x": h5py.File(file)["x"][:]})
    """

    parser: ClassVar[Callable[..., Any]]
    files: ClassVar[Iterable[str | Path]] = ()
    oracle: Any = None
    max_parse_bytes: ClassVar[int] = 1 << 20
    deadline_s: ClassVar[float] = 5.0
    reads_gzip: ClassVar[bool] = False

    def make_parser(self, **options: Any) -> Callable[..., ManifestGroup]:
        """Make the parser with options."""
        made: Callable[..., ManifestGroup] = type(self).parser(**options)
        return made

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test once for each file."""
        if "file" in metafunc.fixturenames and (files := [Path(file) for file in self.files]):
            metafunc.parametrize("file", files, ids=[file.name for file in files])

    # -- what is sound ----------------------------------------------------------------------------------------------

    def test_a_path_and_a_url_give_the_same_group(self, file: Path) -> None:
        """A path and its url parse to equal groups."""
        parser = self.make_parser()
        group = parser(str(file), as_registry(None))
        assert isinstance(group, ManifestGroup)
        assert any(True for _ in group.walk_arrays()), "it holds no array"
        assert parser(file.resolve().as_uri(), as_registry(None)) == group

    def test_only_metadata_is_read(self, file: Path) -> None:
        """Parsing reads little, and looking at what was parsed reads nothing."""
        with RequestLog().listening() as log:
            group = self.make_parser()(str(file), as_registry(None))
        n_bytes = sum(request.length for request in log.requests)
        assert n_bytes <= self.max_parse_bytes, f"parsing read {n_bytes} bytes: more than metadata"
        with RequestLog().listening() as log:
            repr(group)
            pickle.dumps(group)
            for _, array in group.walk_arrays():
                repr(array)
        assert not log.requests, "looking at a group reads the file"

    def test_parser_and_group_pickle(self, file: Path) -> None:
        """Both travel to other processes."""
        parser = self.make_parser()
        group = parser(str(file), as_registry(None))
        assert pickle.loads(pickle.dumps(group)) == group  # noqa: S301 - made here
        assert pickle.loads(pickle.dumps(parser))(str(file), as_registry(None)) == group  # noqa: S301

    def test_values_equal_those_of_an_independent_reader(self, file: Path) -> None:
        """Sampled chunks are what another library reads."""
        group = self.make_parser()(str(file), as_registry(None))
        if self.oracle is None:
            comparison = compare(group, file)
            assert not comparison.findings, str(comparison)
            n_checked = sum(level.checked for level in comparison.levels if level.level in {"L1", "L4"})
            if not n_checked:
                pytest.skip("; ".join(gap.reason for gap in comparison.gaps) or "nothing can be compared")
            return
        expected = self.oracle(file)
        assert expected, "the oracle gives no variable"
        for path, values in expected.items():
            found = group[path]
            assert isinstance(found, ManifestArray), path
            for region in _sampled_regions(found):
                difference = compare_arrays(_read(group, path, region), np.asarray(values[region]))
                assert not difference.n_differing, f"{path}{list(region)}: {difference}"

    def test_a_group_alone_is_that_part_of_the_whole(self, file: Path) -> None:
        """``group=`` chooses, and refuses what is not there."""
        whole = self.make_parser()(str(file), as_registry(None))
        for path, part in whole.walk():
            if path:
                alone = self.make_parser(group=path)(str(file), as_registry(None))
                assert _same(alone, dict(part.walk_arrays())), path
        with pytest.raises((KeyError, VzlabError)):
            self.make_parser(group="no/such group")(str(file), as_registry(None))

    def test_dropped_variables_are_gone_and_the_others_stay(self, file: Path) -> None:
        """``drop_variables=`` leaves out by name at every depth."""
        whole = dict(self.make_parser()(str(file), as_registry(None)).walk_arrays())
        name = next(iter(whole)).rpartition("/")[2]
        rest = {path: array for path, array in whole.items() if name not in path.split("/")}
        assert _same(self.make_parser(drop_variables=[name])(str(file), as_registry(None)), rest)

    # -- what is not ------------------------------------------------------------------------------------------------

    @contextmanager
    def refuses(self, name: str, kind: type[Exception] = VzlabError) -> Iterator[None]:
        """Expect an error of vzlab's own in time, which names the file."""
        began = time.perf_counter()
        with pytest.raises(VzlabError) as caught:
            yield
        elapsed_s = time.perf_counter() - began
        assert isinstance(caught.value, kind)
        assert name in str(caught.value), f"it does not name {name!r}: {caught.value}"
        assert elapsed_s < self.deadline_s, f"it took {elapsed_s:.1f} s to refuse"

    def test_a_missing_file_is_refused(self, file: Path, tmp_path: Path) -> None:
        """As a `FileNotFoundError`."""
        with self.refuses(file.name, FileNotFoundError):
            self.make_parser()(str(tmp_path / file.name), as_registry(None))

    @pytest.mark.parametrize("content", ["nothing", "a login page", "noise", "an empty directory"])
    def test_what_is_of_no_format_is_refused(self, content: str, file: Path, tmp_path: Path) -> None:
        """Whatever its name says."""
        bad = tmp_path / file.name
        if content == "an empty directory":
            bad.mkdir()
        else:
            noise = np.random.default_rng(0).bytes(3_000)
            bad.write_bytes({"nothing": b"", "a login page": _LOGIN_PAGE, "noise": noise}[content])
        with self.refuses(file.name):
            self.make_parser()(str(bad), as_registry(None))

    def test_gzip_is_refused_unless_it_is_read(self, file: Path, tmp_path: Path) -> None:
        """A compressed file is told from a damaged one."""
        bad = tmp_path / file.name
        content = next(path for path in _files(file) if path.stat().st_size).read_bytes()
        bad.write_bytes(gzip.compress(content, mtime=0))
        if self.reads_gzip and file.is_file():
            paths = [path for path, _ in self.make_parser()(str(bad), as_registry(None)).walk_arrays()]
            assert paths == [
                path for path, _ in self.make_parser()(str(file), as_registry(None)).walk_arrays()
            ]
        else:
            with self.refuses(file.name):
                self.make_parser()(str(bad), as_registry(None))

    @pytest.mark.parametrize("share", _CUTS)
    def test_a_truncated_file_never_reads_wrong(self, share: float, file: Path, tmp_path: Path) -> None:
        """It is refused, or what is left of it reads as before."""
        whole = self.make_parser()(str(file), as_registry(None))
        cut = tmp_path / file.name
        shutil.copytree(file, cut) if file.is_dir() else shutil.copy(file, cut)
        for part in _files(cut):
            with part.open("r+b") as stream:
                stream.truncate(int(part.stat().st_size * share))
        began = time.perf_counter()
        refusal, group = "", ManifestGroup()
        try:
            group = self.make_parser()(str(cut), as_registry(None))
        except VzlabError as error:
            refusal = str(error)
        assert not refusal or file.name in refusal, f"it does not name {file.name!r}: {refusal}"
        assert time.perf_counter() - began < self.deadline_s
        for path, array in group.walk_arrays():
            for region in _sampled_regions(array):
                try:
                    found = _read(group, path, region)
                except (VzlabError, OSError, ValueError, RuntimeError):
                    continue
                difference = compare_arrays(found, _read(whole, path, region))
                assert not difference.n_differing, (
                    f"{path}{list(region)} of a file cut at {share:.0%}: {difference}"
                )


def _same(group: ManifestGroup, arrays: Mapping[str, ManifestArray]) -> bool:
    """Whether a group holds these arrays and no other."""
    found = dict(group.walk_arrays())
    return found.keys() == arrays.keys() and all(
        ManifestGroup(arrays={"x": found[path]}) == ManifestGroup(arrays={"x": array})
        for path, array in arrays.items()
    )


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(inner for inner in path.rglob("*") if inner.is_file())


def _sampled_regions(array: ManifestArray) -> list[tuple[slice, ...]]:
    """The first, the last and three more chunks of an array."""
    grid = array.metadata.chunk_grid
    n_chunks = int(np.prod(grid.grid_shape, dtype=np.int64))
    if not n_chunks:
        return []
    drawn = np.random.default_rng(0).integers(0, n_chunks, 3).tolist()
    places = dict.fromkeys([0, n_chunks - 1, *drawn])
    return [grid.region(tuple(int(i) for i in np.unravel_index(at, grid.grid_shape))) for at in places]


def _read(group: ManifestGroup, path: str, region: tuple[slice, ...]) -> Any:
    with zarr.config.set({"array.rectilinear_chunks": True}):
        array: Any = zarr.open_array(ManifestStore(group, as_registry(None)), path=path, mode="r")
        return np.asarray(array[region])
