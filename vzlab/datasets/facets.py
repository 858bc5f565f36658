"""Judge how the signatures of one variable differ, facet by facet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vzlab.cf import Packing
from vzlab.datasets.findings import Finding, Holders, Kind, Severity, differing
from vzlab.datasets.signatures import Signature

MENDED = frozenset({"reencode", "load"})
LOADED = frozenset({"load"})
MAX_LEFT_OUT = 3
"""Up to so many odd files are named in the code that leaves them out."""


@dataclass(frozen=True, kw_only=True)
class Variants:
    """One variable as its files have it: few distinct signatures, and which files have which."""

    variable: str
    signatures: Sequence[Signature]
    """The distinct ones."""
    files: Sequence[npt.NDArray[np.intp]]
    """Positions of the files of each, ascending."""
    names: Sequence[str]
    """Of all files."""
    packings: Callable[[int], Packing]
    """The packing of a file, for an example."""
    time_example: Callable[[int, int], str]
    """What a stored time of one file would be by the units of another."""

    def values(self, facet: Callable[[Signature], str]) -> tuple[Holders, ...]:
        """Files grouped by one facet, the largest group first."""
        members: dict[str, list[npt.NDArray[np.intp]]] = {}
        for signature, files in zip(self.signatures, self.files, strict=True):
            members.setdefault(facet(signature), []).append(files)
        joined = {value: np.sort(np.concatenate(parts)) for value, parts in members.items()}
        ranked = sorted(joined.items(), key=lambda item: -len(item[1]))
        return tuple(Holders.of(value, files.tolist()) for value, files in ranked)


def compare_variants(variants: Variants, dims: Collection[str]) -> list[Finding]:
    """Findings about a variable of several signatures; `dims` are those along which files follow each other."""
    found = variants.signatures
    if len({s.virtual for s in found}) > 1:
        return [
            _finding(
                variants,
                "shape, dtype",
                lambda s: "virtual" if s.virtual else "in memory",
                "refused",
                "shape",
                "{name} is virtual in some files and loaded in others.",
                LOADED,
            )
        ]
    findings: list[Finding | None] = []

    def differ(
        facet: str,
        value: Callable[[Signature], str],
        severity: Severity,
        kind: Kind,
        sentence: str,
        repairs: frozenset[str] = frozenset(),
    ) -> bool:
        if len(set(map(value, found))) == 1:
            return False
        findings.append(_finding(variants, facet, value, severity, kind, sentence, repairs))
        return True

    virtual = found[0].virtual
    differ(
        "shape, dtype",
        lambda s: s.dtype,
        "needs re-encoding" if virtual else "refused",
        "shape",
        "{name} has another data type in {odd}.",
        MENDED if virtual else frozenset(),
    )
    if len({s.dims for s in found}) > 1:
        return [*filter(None, findings), _other_dims(variants)]
    axes = [axis for axis, dim in enumerate(found[0].dims) if dim in dims]
    if differ(
        "shape, dtype",
        lambda s: str(_without(s.shape, axes)),
        "refused",
        "shape",
        _shape_sentence(found, axes),
    ):
        return list(filter(None, findings))
    if virtual:
        differ(
            "chunks",
            lambda s: str(_without(s.chunks, axes)),
            "needs re-encoding",
            "encoding",
            "{name} is cut into other chunks in {odd}: one array has one chunk shape off the combined dimension.",
            MENDED,
        )
        for axis in axes:
            dim = found[0].dims[axis]
            _along(findings, variants, axis, dim)
        if not differ(
            "codecs",
            lambda s: s.decoding,
            "needs re-encoding",
            "encoding",
            "{name} is encoded otherwise in {odd}: a chunk would be decoded with the wrong codecs.",
            MENDED,
        ):
            differ(
                "codecs",
                lambda s: s.codecs,
                "harmless",
                "encoding",
                "{name} differs in how it was encoded; it decodes alike.",
            )
        differ(
            "packing, fill",
            lambda s: f"unwritten chunks read as {s.fill_value}",
            "needs re-encoding",
            "encoding",
            "{name} has another value for unwritten chunks in {odd}.",
            MENDED,
        )
        if len({s.meaning for s in found}) > 1:
            findings.append(_packing(variants))
    _units(findings, variants)
    findings += _attributes(variants.variable, [dict(s.attributes) for s in found], variants.files)
    return [finding for finding in findings if finding is not None]


def _finding(
    variants: Variants,
    facet: str,
    value: Callable[[Signature], str],
    severity: Severity,
    kind: Kind,
    sentence: str,
    repairs: frozenset[str],
) -> Finding:
    groups = variants.values(value)
    odd = groups[-1]
    name = f"{variants.names[odd.runs[0][0]]}{_and_more(odd)} ({odd.value}, not {groups[0].value})"
    return Finding(
        variable=variants.variable,
        facet=facet,
        kind=kind,
        severity=severity,
        sentence=sentence.format(name=variants.variable, odd=name),
        holders=groups,
        fix=_fix(repairs, variants, odd) if severity not in ("harmless", "needs a rectilinear grid") else "",
        repairs=repairs,
    )


def _fix(repairs: Collection[str], variants: Variants, odd: Holders) -> str:
    """Python that mends what can be mended, and that leaves out what is odd."""
    lines = []
    if "reencode" in repairs:
        lines.append(
            "vz.open_virtual_mfdataset(files, on_mismatch=\"reencode\")    # the odd files' chunks, encoded as the others'"
        )
    if "load" in repairs:
        lines.append(
            f'vz.open_virtual_mfdataset(files, on_mismatch="load")    # {variants.variable} of all files into memory'
        )
    if odd.n_files <= MAX_LEFT_OUT:
        names = ", ".join(repr(variants.names[i]) for i in odd)
        lines.append(
            f"files = [file for file in files if Path(file).name not in {{{names}}}]    # leave them out"
        )
    return "\n".join(lines) or "files = [...]    # leave the odd files out, or change them with preprocess="


def _along(findings: list[Finding | None], variants: Variants, axis: int, dim: str) -> None:
    lengths = {str(s.chunks[axis]) for s in variants.signatures}
    if len(lengths) == 1:
        return
    if any(s.partial[axis] and not _can_be_cut(s, axis) for s in variants.signatures):
        findings.append(
            _finding(
                variants,
                "chunks",
                lambda s: (
                    f"{_shortened(s.chunks[axis])} along {dim}{', the last one partial' if s.partial[axis] else ''}"
                ),
                "needs re-encoding",
                "encoding",
                "{name} has chunks of several lengths, among them last chunks that are compressed and only partly filled: such a "
                "chunk is stored whole, and beside chunks of other lengths no chunk grid says how much of it counts.",
                LOADED,
            )
        )
        return
    findings.append(
        _finding(
            variants,
            "chunks",
            lambda s: f"{_shortened(s.chunks[axis])} along {dim}",
            "needs a rectilinear grid",
            "chunks",
            "{name} has chunks of several lengths: they make a rectilinear chunk grid, which Icechunk keeps and "
            "Kerchunk cannot say.",
            frozenset(),
        )
    )


def _can_be_cut(signature: Signature, axis: int) -> bool:
    """Whether the first part of a chunk is the first part of its bytes."""
    return (
        signature.codecs.startswith("bytes")
        and " → " not in signature.codecs
        and all(n == 1 for n in signature.chunks[:axis])
    )


def _shortened(chunks: Any) -> str:
    text = str(chunks)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _shape_sentence(found: Sequence[Signature], axes: Sequence[int]) -> str:
    sizes = {_without(s.shape, axes) for s in found}
    swapped = len({tuple(sorted(size)) for size in sizes}) == 1
    why = " Its axes look swapped." if swapped else ""
    return "{name} has another shape in {odd}: only the length along the combined dimension may differ." + why


def _other_dims(variants: Variants) -> Finding:
    """Another order of the same dimensions, or other dimensions."""
    orders = {s.dims for s in variants.signatures}
    if len({tuple(sorted(dims)) for dims in orders}) > 1 or not variants.signatures[0].virtual:
        return _finding(
            variants,
            "shape, dtype",
            lambda s: f"over ({', '.join(s.dims)})",
            "refused",
            "shape",
            "{name} has other dimensions in {odd}.",
            frozenset(),
        )
    finding = _finding(
        variants,
        "shape, dtype",
        lambda s: f"over ({', '.join(s.dims)})",
        "needs re-encoding",
        "shape",
        "{name} has its axes in another order in {odd}: the same numbers lie in another order in the bytes, and would be "
        "read into the wrong places.",
        MENDED,
    )
    return replace(finding, short="transposed")


def _units(findings: list[Finding | None], variants: Variants) -> None:
    found = variants.signatures
    if len({s.units for s in found}) == 1:
        return
    if not found[0].virtual and all(s.is_time for s in found):
        findings.append(
            _finding(
                variants,
                "units",
                lambda s: s.units,
                "harmless",
                "units",
                "{name} is stored in several units; it is decoded first.",
                frozenset(),
            )
        )
        return
    are_times = all(s.is_time for s in found)
    finding = _finding(
        variants,
        "units",
        lambda s: s.units,
        "silently wrong elsewhere",
        "units",
        "{name} has other units in {odd}, and the first file's would be taken for all.",
        MENDED if are_times and found[0].virtual else frozenset(),
    )
    if are_times:
        groups = finding.holders
        example = variants.time_example(groups[0].runs[0][0], groups[-1].runs[0][0])
        finding = replace(finding, sentence=f"{finding.sentence} {example}".rstrip())
    findings.append(finding)


def _packing(variants: Variants) -> Finding:
    """The difference that other tools turn into wrong numbers, with one number as an example."""
    groups = variants.values(lambda s: s.meaning)
    usual, odd = groups[0], groups[-1]
    units = next((s.units for s in variants.signatures if s.meaning == odd.value), "none")
    unit = units.removeprefix("units ") if units.startswith("units ") and "," not in units else ""
    example = _example(variants.packings(usual.runs[0][0]), variants.packings(odd.runs[0][0]), unit)
    name = variants.names[odd.runs[0][0]]
    others = f"the other {usual.n_files}" if len(groups) == 2 else f"{usual.n_files} files"
    values = [group.value for group in groups]
    sentence = (
        f"{variants.variable} in {name}{_and_more(odd)} is stored with {differing(odd.value, values)}; {others} with "
        f"{differing(usual.value, values)}. {example}"
    )
    return Finding(
        variable=variants.variable,
        facet="packing, fill",
        kind="packing",
        severity="silently wrong elsewhere",
        sentence=sentence,
        holders=groups,
        fix=_fix(MENDED, variants, odd),
        repairs=MENDED,
    )


def _example(usual: Packing, odd: Packing, units: str) -> str:
    if (usual.scale_factor, usual.add_offset) != (odd.scale_factor, odd.add_offset):
        stored = 273
        values = replace(odd, missing=()).decode(stored), replace(usual, missing=()).decode(stored)
        right, wrong = (f"{value:.6g}" for value in values)
        if right == wrong:
            right, wrong = map(repr, values)
        return (
            f"A stored {stored} there means {right} {units}".rstrip()
            + f" and would read {wrong}, and nothing would say so."
        )
    lost = [value for value in odd.missing if value not in usual.missing]
    if lost:
        text = f"Its missing data, stored as {lost[0]:g}, would read as a measured {usual.decode(lost[0]):.6g} {units}."
        return text.replace(" .", ".")
    gained = [value for value in usual.missing if value not in odd.missing]
    if gained:
        text = f"Its measured {odd.decode(gained[0]):.6g} {units}"
        return f"{text.rstrip()}, stored as {gained[0]:g}, would be masked as missing."
    return "Its numbers would be read with the wrong meaning, and nothing would say so."


def _attributes(
    variable: str, found: Sequence[dict[str, str]], files: Sequence[npt.NDArray[np.intp]]
) -> list[Finding]:
    """Attributes that not all files have alike: varying from file to file, or conflicting between groups of files."""
    keys = sorted({key for attributes in found for key in attributes})
    n_files = sum(len(part) for part in files)
    varying: list[str] = []
    findings = []
    for key in keys:
        values = [attributes.get(key) for attributes in found]
        distinct = set(values)
        if len(distinct) == 1:
            continue
        if len(distinct) > 2 and len(distinct) > n_files / 2:
            varying.append(key)
            continue
        members: dict[str, list[int]] = {}
        for value, part in zip(values, files, strict=True):
            members.setdefault(_attribute_words(key, value), []).extend(part.tolist())
        ranked = sorted(members.items(), key=lambda item: -len(item[1]))
        findings.append(
            Finding(
                variable=variable,
                facet="attributes",
                kind="attributes",
                severity="harmless",
                sentence=f"{_subject(variable)}{key} is conflicting: {len(ranked)} groups of files differ in it. It is dropped.",
                holders=tuple(Holders.of(value, sorted(part)) for value, part in ranked),
            )
        )
    if varying:
        verb = "is" if len(varying) == 1 else "are"
        them = "it" if len(varying) == 1 else "them"
        findings.append(
            Finding(
                variable=variable,
                facet="attributes",
                kind="attributes",
                severity="harmless",
                sentence=f"{_subject(variable)}{', '.join(varying)} {verb} varying: true of one file only, and dropped; "
                f'attrs="keep_varying" keeps {them} of each file.',
            )
        )
    return findings


def compare_attributes(
    found: Sequence[dict[str, str]], files: Sequence[npt.NDArray[np.intp]]
) -> list[Finding]:
    """Findings about the attributes of the dataset itself; each distinct set of attributes with its files."""
    return _attributes("", found, files)


def _subject(variable: str) -> str:
    return f"{variable}: " if variable else "Of the file's attributes "


def _attribute_words(key: str, value: str | None) -> str:
    if value is None:
        return f"no {key}"
    return f"{key} {value}" if len(value) <= 80 else f"{key} {value[:77]}..."


def _and_more(holders: Holders) -> str:
    rest = holders.n_files - 1
    return f" and {rest} more" if rest else ""


def _without(values: tuple[Any, ...], axes: Sequence[int]) -> tuple[Any, ...]:
    return tuple(value for axis, value in enumerate(values) if axis not in axes)
