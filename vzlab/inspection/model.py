"""The frozen tree that says what anything contains; every view reads it and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from vzlab.codecs import CodecDescription
from vzlab.inspection.byte_map import ByteMap
from vzlab.inspection.chunk_map import ChunkMap
from vzlab.inspection.encoding import Encoding
from vzlab.inspection.file_set import FileSet
from vzlab.inspection.gaps import MetadataLayout
from vzlab.inspection.history import History
from vzlab.inspection.sharding import Sharding
from vzlab.inspection.statistics import ChunkStatistics

SCHEMA = "vzlab-inspection/1"
"""Name and version of the JSON form. The number rises when a field changes its meaning or goes away."""

# Views stand above this module and import it, so it must not import them. It finds them by name, when something is
# displayed: had they to register themselves, an inspection would be mute until somebody happened to import them.
_VIEWS = "vzlab.render"

type Severity = Literal["problem", "notice", "fact"]
type Role = Literal["data", "coordinate", "bounds", "grid mapping", "auxiliary"]
type Layout = Literal["contiguous", "chunked", "compressed", "unknown"]
type MapKind = Literal["chunks", "slices", "bytes"]
type ColourBy = Literal["ratio", "size", "offset", "source"]
type Held = Literal["virtual", "in memory", "lazy", "stored"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something worth knowing, in words."""

    severity: Severity
    """A problem gives wrong numbers or none; a notice costs time or surprises; a fact is good to know."""
    text: str
    """What was found, in a sentence."""
    consequence: str = ""
    """What comes of it, in a sentence."""
    remedy: str = ""
    """What to do, in a sentence or in code."""
    variables: tuple[str, ...] = ()
    """Paths of the variables that it concerns."""


@dataclass(frozen=True, kw_only=True)
class SourceInspection:
    """A file that chunks lie in."""

    url: str
    name: str
    """Its last part, decoded."""
    size_bytes: int | None
    """Length of the whole file; None where parsing did not learn it."""
    etag: str | None = None
    last_modified: str | None = None
    """In ISO 8601."""
    metadata: MetadataLayout | None = None
    """Where its metadata lie: what no chunk covers; None where its size is not known, or every byte is in a chunk."""


@dataclass(frozen=True, kw_only=True)
class Chunking:
    """How an array is cut into chunks."""

    kind: Literal["regular", "rectilinear", "single", "unknown"]
    """Single: one chunk holds the whole array. Unknown: what the array is wrapped in does not say."""
    chunk_shape: tuple[int, ...]
    """Length of a chunk along each dimension; of a rectilinear grid the largest."""
    grid_shape: tuple[int, ...]
    """Chunks along each dimension."""
    partial: tuple[bool, ...] = ()
    """Along which dimensions the last chunk reaches beyond the array."""
    lengths: tuple[str, ...] = ()
    """Of a rectilinear grid, the chunk lengths along each dimension in words: ``31, 28, 31``."""

    @property
    def n_chunks(self) -> int:
        """Chunks in the grid."""
        n = 1
        for along in self.grid_shape:
            n *= along
        return n if self.kind != "unknown" else 0


@dataclass(frozen=True, kw_only=True)
class ChunkCounts:
    """How many chunks are in which state."""

    virtual: int = 0
    """References into files."""
    inline: int = 0
    """Held beside the references."""
    stored: int = 0
    """In the store itself."""
    missing: int = 0
    """Never written: they read as fill."""

    @property
    def total(self) -> int:
        """All chunks whose state is known."""
        return self.virtual + self.inline + self.stored + self.missing

    @property
    def present(self) -> int:
        """Chunks that are there."""
        return self.total - self.missing


@dataclass(frozen=True, kw_only=True)
class VariableInspection:
    """One array, from its bytes to what its values mean."""

    name: str
    path: str
    """Inside the hierarchy: ``model/ocean/sst``."""
    role: Role
    held: Held
    """Where its values are: referred to, in this process, behind a lazy reader, or in a store."""
    dims: tuple[str | None, ...]
    shape: tuple[int, ...]
    dtype: str
    """Data type of stored values."""
    byte_order: Literal["little", "big"] | None
    """As stored; None where bytes have no order, or it is not known."""
    raw_bytes: int | None
    """Bytes of all values when decoded; None where they have no fixed size."""
    stored_bytes: int | None
    """Bytes of all chunks as stored; None where nothing that was read says so."""
    chunking: Chunking
    counts: ChunkCounts | None
    """None where it is not known which chunks are there."""
    statistics: ChunkStatistics | None
    codecs: tuple[CodecDescription, ...]
    """In encoding order; decoding goes through them backwards."""
    codecs_known: bool
    """Whether what was inspected says how its bytes are encoded."""
    layout: Layout
    """Contiguous: plain values in one run of bytes, in the order of the array, from which any piece can be read. Chunked:
    plain values in pieces. Compressed: chunks must be read whole."""
    sharding: Sharding | None
    """Chunks inside of its chunks; None without."""
    n_stretches: int | None
    """Stretches of files in which no chunk of another variable lies between its own: as many as files where variables do not
    take turns. None where it lies in no file."""
    n_grown: int | None
    """Compressed chunks that take more bytes than their values; None where that is not known."""
    all_fill_suspected: int | None
    """Chunks of the same, smallest size, far too small for values that vary; None where nothing is compressed."""
    readers: tuple[str, ...]
    """Zarr readers that know every codec of the chain."""
    needs: tuple[str, ...]
    """What zarr-python needs besides itself to read it."""
    encoding: Encoding
    attributes: Mapping[str, Any]
    chunk_map: ChunkMap | None = None
    byte_map: ByteMap | None = None
    sources: tuple[int, ...] = ()
    """Positions of the files that its chunks lie in, in the inspection's sources."""
    max_shape: tuple[int | None, ...] | None = None
    """What it may grow to where it is, None along dimensions without end; None where it may not, or nothing says so."""
    link: str = ""
    """What leads to it, where it is not simply here: ``soft link to '/model/sst'``."""
    index: str = ""
    """The kind of index by which xarray looks up its values; empty where it has none."""

    @property
    def ratio(self) -> float | None:
        """Stored bytes over raw bytes, padding and missing chunks apart."""
        if self.chunk_map is not None:
            raw = float(self.chunk_map.raw_bytes.sum())
            return float(self.chunk_map.stored_bytes.sum()) / raw if raw else None
        if not self.raw_bytes or self.stored_bytes is None:
            return None
        return self.stored_bytes / self.raw_bytes if self.stored_bytes else None

    @property
    def is_compressed(self) -> bool:
        """Whether some codec makes bytes of bytes, so that a chunk must be read whole."""
        return self.layout == "compressed"


@dataclass(frozen=True, kw_only=True)
class UnreadableInspection:
    """A variable that is in the file and cannot be referred to."""

    name: str
    path: str
    reason: str
    loadable: bool
    """Whether its values can be loaded with the format's own library."""
    dims: tuple[str | None, ...] | None = None
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class GroupInspection:
    """A group with everything in it."""

    name: str
    path: str
    attributes: Mapping[str, Any]
    variables: tuple[VariableInspection, ...]
    groups: tuple[GroupInspection, ...]
    unreadable: tuple[UnreadableInspection, ...]
    link: str = ""
    """What leads to it, where it is not simply here."""

    @property
    def dimensions(self) -> dict[str, int]:
        """Named dimensions of the variables here, with their lengths."""
        sizes: dict[str, int] = {}
        for variable in self.variables:
            sizes.update({d: n for d, n in zip(variable.dims, variable.shape, strict=False) if d})
        return sizes

    def walk(self) -> Iterator[GroupInspection]:
        """Give this group and every one below it."""
        yield self
        for group in self.groups:
            yield from group.walk()


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What parsing a file took over a network."""

    n_requests: int
    n_bytes: int
    """Asked for in all."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Inspection:
    """What something contains. Notebooks show it as HTML, terminals as text.

    Examples
    --------
    >>> import vzlab as vz
    >>> found = vz.inspect("archive/sst_2025-01-01.nc")
    >>> found.format, found.n_chunks, found.raw_bytes
    ('HDF5', 21, 49684)
    >>> found.variables["sst"].dims
    ('time', 'lat', 'lon')
    """

    title: str
    kind: str
    """What was inspected, in words: ``file``, ``virtual dataset``, ``Zarr group``."""
    format: str
    """Format of the file it was parsed from, in words; empty where there is none."""
    index_decoder: str
    """What decoded the index of its chunks; empty where nothing says so."""
    root: GroupInspection
    sources: tuple[SourceInspection, ...]
    findings: tuple[Finding, ...]
    """Most important first."""
    open_code: str
    """Python that opens exactly this."""
    opening: Opening | None = None
    """What parsing asked a network for; None for what is on this machine, or was parsed before."""
    files: FileSet | None = None
    """What many files have in common; None where one thing was inspected."""
    history: History | None = None
    """Its versions; None for what has none."""
    store: str = ""
    """Of a zarr object, what kind of store serves it and whether it may be written: ``LocalStore, read-only``."""

    @cached_property
    def variables(self) -> Mapping[str, VariableInspection]:
        """Every variable of the tree by its path."""
        return {variable.path: variable for group in self.root.walk() for variable in group.variables}

    @property
    def unreadable(self) -> tuple[UnreadableInspection, ...]:
        """Every variable of the tree that cannot be referred to."""
        return tuple(variable for group in self.root.walk() for variable in group.unreadable)

    @property
    def n_groups(self) -> int:
        """Groups of the tree, the root included."""
        return sum(1 for _ in self.root.walk())

    @property
    def n_chunks(self) -> int:
        """Chunks of all variables, missing ones included."""
        return sum(variable.chunking.n_chunks for variable in self.variables.values())

    @property
    def raw_bytes(self) -> int:
        """Bytes of all values when decoded, as far as they have a fixed size."""
        return sum(variable.raw_bytes or 0 for variable in self.variables.values())

    @property
    def stored_bytes(self) -> int | None:
        """Bytes of all chunks as stored; None if any variable does not say."""
        sizes = [variable.stored_bytes for variable in self.variables.values()]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    @property
    def file_bytes(self) -> int | None:
        """Size of all source files; None if there are none, or the size of one is not known."""
        sizes = [source.size_bytes for source in self.sources]
        return None if not sizes or None in sizes else sum(size for size in sizes if size is not None)

    def __getitem__(self, path: str) -> VariableInspection:
        """Give the variable at a path.

        Raises
        ------
        KeyError
            If there is none; the message names those that are there.
        """
        try:
            return self.variables[path.strip("/")]
        except KeyError:
            known = ", ".join(list(self.variables)[:20]) or "none"
            raise KeyError(f"No variable {path!r} in {self.title}; variables here: {known}") from None

    def to_dict(self, *, map_cells: int = 64) -> dict[str, Any]:
        """Give the JSON form, of which ``schema`` is "vzlab-inspection/1".

        Parameters
        ----------
        map_cells : int
            Chunk maps have at most this many cells along each side; 0 leaves all maps out.
        """
        from vzlab.inspection.json_form import inspection_to_dict

        return inspection_to_dict(self, map_cells=map_cells)

    def to_html(self, path: str | Path) -> Path:
        """Write a page that stands alone, light or dark as its reader prefers, and give its path."""
        written: Path = import_module(_VIEWS).to_html(self, path)
        return written

    def to_png(
        self,
        path: str | Path,
        variable: str,
        *,
        kind: MapKind = "chunks",
        colour_by: ColourBy | None = None,
    ) -> Path:
        """Write a map of one variable as a PNG file, which says in words what it shows, and give its path.

        Parameters
        ----------
        path : str or Path
        variable : str
            Its path.
        kind : {"chunks", "slices", "bytes"}
            The chunk grid; the grid at some places of a dimension that is not drawn; or where the chunks lie in their files.
        colour_by : {"ratio", "size", "offset", "source"}, optional
            Of chunks and slices; what varies if not given.

        Raises
        ------
        KeyError
            If there is no such variable.
        ValueError
            If the variable has no such map; the message says why.
        """
        written: Path = import_module(_VIEWS).to_png(self, variable, path, kind=kind, colour_by=colour_by)
        return written

    def to_text(
        self, variable: str | None = None, *, width: int | None = None, max_lines: int | None = None
    ) -> str:
        """Give text for a terminal: all of it, or one variable.

        Parameters
        ----------
        variable : str, optional
            Path of the variable to describe.
        width : int, optional
            Columns; the terminal's if not given.
        max_lines : int, optional
            Lines to keep to; the terminal's if not given, 0 for no limit.
        """
        text: str = import_module(_VIEWS).to_text(self, variable, width=width, max_lines=max_lines)
        return text

    def _repr_html_(self) -> str:
        html: str = import_module(_VIEWS).to_html_fragment(self)
        return html

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()
