"""Work an inspection out of subjects, reading nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vzlab.codecs import CodecDescription, describe_chain
from vzlab.inspection.byte_map import ByteMap, FileLayout, byte_map, file_layout, source_ends
from vzlab.inspection.chunk_map import ChunkMap, chunk_map
from vzlab.inspection.encoding import Encoding, describe_encoding
from vzlab.inspection.findings import find
from vzlab.inspection.gaps import Gaps, MetadataLayout, find_gaps
from vzlab.inspection.layout import count_grown, is_compressed, storage_layout, suspect_all_fill
from vzlab.inspection.model import (
    ChunkCounts,
    Chunking,
    GroupInspection,
    Inspection,
    Opening,
    Role,
    SourceInspection,
    VariableInspection,
)
from vzlab.inspection.sharding import describe_sharding
from vzlab.inspection.statistics import ChunkStatistics, chunk_statistics
from vzlab.inspection.subjects import Subject, SubjectGroup
from vzlab.manifests import ChunkGrid, ChunkManifest, SourceFile
from vzlab.manifests.chunk_grid import DimensionChunks
from vzlab.manifests.manifest import INLINE
from vzlab.storage import url_names


def build_inspection(
    root: SubjectGroup,
    *,
    title: str,
    kind: str,
    open_code: str,
    file_format: str = "",
    index_decoder: str = "",
    page_bytes: int = 0,
    header_bytes: int = 0,
    opening: Opening | None = None,
    store: str = "",
) -> Inspection:
    """Work out everything that an inspection says.

    Parameters
    ----------
    root : SubjectGroup
    title, kind, open_code, file_format, index_decoder : str
        As the fields of `Inspection`.
    page_bytes, header_bytes : int
        As the fields of `ManifestGroup`.
    opening : Opening, optional
        What parsing took.
    store : str
        As the field of `Inspection`.
    """
    files = _Files.of(
        [subject for group in root.walk() for subject in group.arrays], page_bytes, header_bytes
    )
    tree = _group(root, files)
    names = url_names([source.url for source in files.table])
    sources = tuple(map(_source, files.table, names, files.gaps.metadata))
    return Inspection(
        title=title,
        kind=kind,
        format=file_format,
        index_decoder=index_decoder,
        root=tree,
        sources=sources,
        findings=find(
            tree, sources, files.layout.sizes, files.ends, file_format=file_format, opening=opening
        ),
        open_code=open_code,
        opening=opening,
        store=store,
    )


@dataclass(frozen=True, kw_only=True)
class _Files:
    """All files that chunks lie in, and where in them each array's chunks are."""

    table: tuple[SourceFile, ...]
    layout: FileLayout
    ends: npt.NDArray[np.float64]
    """Where the last chunk of each file ends."""
    positions: Mapping[str, npt.NDArray[np.int32]]
    """By the array's path: where its sources are in the table."""
    order: Mapping[str, int]
    """By the array's path: its place in the layout."""
    statistics: Mapping[str, ChunkStatistics | None]
    """By the array's path."""
    gaps: Gaps
    chains: Mapping[str, tuple[CodecDescription, ...]]
    """By the array's codecs as Python writes them: of a thousand variables most are stored alike."""

    @classmethod
    def of(cls, subjects: Sequence[Subject], page_bytes: int, header_bytes: int) -> _Files:
        """Gather the files of subjects."""
        table: dict[SourceFile, int] = {}
        manifests, positions = {}, {}
        for subject in subjects:
            manifest = subject.manifest
            if manifest is None:
                continue
            manifests[subject.path] = manifest
            places = [table.setdefault(source, len(table)) for source in manifest.sources]
            positions[subject.path] = np.array(places, dtype=np.int32)
        ends = np.zeros(len(table))
        for path, manifest in manifests.items():
            source_ends(manifest, positions[path], ends)
        measured = {path: chunk_statistics(manifest) for path, manifest in manifests.items()}
        sizes = np.array([np.nan if s.size_bytes is None else s.size_bytes for s in table], dtype=np.float64)
        runs = [found for _, found in measured.values()]
        gaps = find_gaps(runs, list(positions.values()), sizes, page_bytes=page_bytes)
        sizes = np.where(np.isnan(sizes), ends, sizes)
        return cls(
            table=tuple(table),
            layout=file_layout(
                list(manifests.values()), list(positions.values()), sizes, header_bytes=header_bytes
            ),
            ends=ends,
            positions=positions,
            order={path: place for place, path in enumerate(manifests)},
            statistics={path: found for path, (found, _) in measured.items()},
            gaps=gaps,
            chains={
                key: describe_chain(codecs)
                for key, codecs in {
                    repr(subject.codecs): subject.codecs or () for subject in subjects
                }.items()
            },
        )


def _source(source: SourceFile, name: str, metadata: MetadataLayout | None) -> SourceInspection:
    return SourceInspection(
        url=source.url,
        name=name,
        size_bytes=source.size_bytes,
        etag=source.etag,
        last_modified=None if source.last_modified is None else source.last_modified.isoformat(),
        metadata=metadata,
    )


def _group(group: SubjectGroup, files: _Files) -> GroupInspection:
    roles = _roles(group.arrays)
    # One kind of work for all variables, then the next: of a thousand this takes half the time, as each stays in the cache.
    drawn = [_drawn(subject, files) for subject in group.arrays]
    strips = [_strips(subject, files) for subject in group.arrays]
    encodings = [_encoding(subject) for subject in group.arrays]
    return GroupInspection(
        name=group.name,
        path=group.path,
        attributes=group.attributes,
        variables=tuple(
            _variable(subject, roles.get(subject.name, "data"), files, *parts)
            for subject, parts in zip(group.arrays, zip(drawn, strips, encodings, strict=True), strict=True)
        ),
        groups=tuple(_group(below, files) for below in group.groups),
        unreadable=group.unreadable,
        link=group.link,
    )


def _roles(subjects: Sequence[Subject]) -> dict[str, Role]:
    """What each array is for others of its group (CF 1.11, sections 5, 5.6, 7.1)."""
    roles: dict[str, Role] = {}
    for subject in subjects:
        attributes = {**subject.encoding_attributes, **subject.attributes}
        for name in str(attributes.get("coordinates", "")).split():
            roles[name] = "coordinate"
        for attribute in ("bounds", "climatology"):
            if name := str(attributes.get(attribute, "")):
                roles[name] = "bounds"
        for word in str(attributes.get("grid_mapping", "")).replace(":", " ").split():
            roles[word] = "grid mapping"
    for subject in subjects:
        if subject.is_coordinate or subject.dims == (subject.name,):
            roles.setdefault(subject.name, "coordinate")
    return roles


def _grid(subject: Subject) -> ChunkGrid | None:
    return None if subject.chunks is None else ChunkGrid(shape=subject.shape, chunks=subject.chunks)


def _drawn(subject: Subject, files: _Files) -> ChunkMap | None:
    grid, positions = _grid(subject), files.positions.get(subject.path)
    if subject.manifest is None or grid is None or positions is None:
        return None
    return chunk_map(
        subject.manifest,
        grid,
        subject.dims,
        itemsize_bytes=_itemsize(subject.dtype) or 0,
        source_positions=positions,
    )


def _strips(subject: Subject, files: _Files) -> ByteMap | None:
    order = files.order.get(subject.path)
    return None if order is None else byte_map(files.layout, order)


def _encoding(subject: Subject) -> Encoding:
    return describe_encoding(
        {**subject.encoding_attributes, **subject.attributes},
        subject.dtype,
        fill=subject.fill,
        ends=subject.ends,
    )


def _is_a_part(codecs: Sequence[CodecDescription]) -> bool:
    """Whether values are cut out of what is stored, such as one table out of a whole file in gzip."""
    return any(codec.name == "vzlab.cut" for codec in codecs)


def _variable(
    subject: Subject,
    role: Role,
    files: _Files,
    drawn: ChunkMap | None,
    strips: ByteMap | None,
    encoding: Encoding,
) -> VariableInspection:
    manifest, grid = subject.manifest, _grid(subject)
    codecs = files.chains[repr(subject.codecs)]
    positions = files.positions.get(subject.path)
    itemsize = _itemsize(subject.dtype)
    statistics = files.statistics.get(subject.path)
    raw_chunk_bytes = None if grid is None or itemsize is None else math.prod(grid.chunk_shape) * itemsize
    compressed = is_compressed(codecs)
    order = files.order.get(subject.path)
    return VariableInspection(
        name=subject.name,
        path=subject.path,
        role=role,
        held=subject.held,
        dims=subject.dims,
        shape=subject.shape,
        dtype=subject.dtype_name,
        byte_order=_byte_order(subject),
        raw_bytes=None if itemsize is None else math.prod(subject.shape) * itemsize,
        stored_bytes=None if manifest is None else manifest.stored_bytes,
        chunking=_chunking(grid, subject.shape),
        counts=None if manifest is None else _counts(manifest, subject),
        statistics=statistics,
        codecs=codecs,
        codecs_known=subject.codecs is not None,
        layout=storage_layout(subject, grid, statistics, codecs),
        sharding=None if grid is None else describe_sharding(subject.codecs or (), grid.chunk_shape),
        n_stretches=None
        if order is None or not manifest or not manifest.n_virtual
        else files.gaps.n_stretches[order],
        n_grown=count_grown(manifest, raw_chunk_bytes) if compressed and not _is_a_part(codecs) else None,
        all_fill_suspected=suspect_all_fill(statistics, raw_chunk_bytes) if compressed else None,
        readers=_common([codec.readers for codec in codecs]),
        needs=tuple(dict.fromkeys(codec.needs for codec in codecs if codec.needs)),
        encoding=encoding,
        attributes=subject.attributes,
        chunk_map=drawn,
        byte_map=strips,
        sources=() if positions is None else tuple(positions.tolist()),
        max_shape=subject.max_shape,
        link=subject.link,
        index=subject.index,
    )


def _counts(manifest: ChunkManifest, subject: Subject) -> ChunkCounts:
    n_own = manifest.n_virtual if subject.held == "stored" else _count_own(manifest, subject.own_prefix)
    return ChunkCounts(
        virtual=manifest.n_virtual - n_own,
        inline=manifest.n_inline,
        stored=n_own,
        missing=manifest.n_missing,
    )


def _count_own(manifest: ChunkManifest, prefix: str | None) -> int:
    """Chunks whose url begins with a prefix."""
    if prefix is None:
        return 0
    own = np.array([source.url.startswith(prefix) for source in manifest.sources], np.bool_)
    if not own.any():
        return 0
    if own.all():
        return manifest.n_virtual
    index = manifest.source_index.reshape(-1)
    return int(own[index[index < INLINE]].sum())


def _itemsize(dtype: np.dtype[Any] | None) -> int | None:
    return None if dtype is None or dtype.hasobject or dtype.kind == "T" else dtype.itemsize


def _common(readers: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return (
        tuple(reader for reader in readers[0] if all(reader in those for those in readers)) if readers else ()
    )


def _byte_order(subject: Subject) -> Literal["little", "big"] | None:
    """From the ``bytes`` codec, or from the data type of values in memory."""
    for codec in subject.codecs or ():
        endian = (codec.get("configuration") or {}).get("endian") if codec["name"] == "bytes" else None
        if endian == "big":
            return "big"
        if endian == "little":
            return "little" if subject.dtype is None or subject.dtype.itemsize > 1 else None
    if subject.codecs is None and subject.dtype is not None and subject.dtype.byteorder in "<>":
        return "big" if subject.dtype.byteorder == ">" else "little"
    return None


def _chunking(grid: ChunkGrid | None, shape: tuple[int, ...]) -> Chunking:
    if grid is None:
        return Chunking(kind="unknown", chunk_shape=(), grid_shape=())
    kind: Literal["regular", "rectilinear", "single"] = "regular" if grid.is_regular else "rectilinear"
    if grid.n_chunks == 1:
        kind = "single"
    return Chunking(
        kind=kind,
        chunk_shape=grid.chunk_shape,
        grid_shape=grid.grid_shape,
        partial=tuple(grid.last_is_partial(axis) for axis in range(len(shape))),
        lengths=tuple(map(_lengths_in_words, grid.chunks)) if kind == "rectilinear" else (),
    )


def _lengths_in_words(chunks: DimensionChunks, most: int = 12) -> str:
    """``31, 28, 31``, with runs as ``30 ×3``, cut after some."""
    if isinstance(chunks, int):
        return str(chunks)
    runs = ((length, sum(1 for _ in run)) for length, run in itertools.groupby(chunks))
    words = [f"{length} ×{n}" if n > 1 else str(length) for length, n in itertools.islice(runs, most + 1)]
    return ", ".join(words[:most]) + (", …" if len(words) > most else "")
