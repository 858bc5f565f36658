"""Names for dimensions that have none: one for each length in a group, and another where a variable has a length twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from vzlab.manifests import ManifestArray, ManifestGroup


@dataclass(kw_only=True)
class AnonymousDimensions:
    """Gives out ``phony_dim_N`` within one group, as netCDF-4 calls such dimensions."""

    reserved: Collection[str] = ()
    """Names that are never given out, since somebody else has."""
    _by_length: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    _count: int = 0

    def complete(self, names: Sequence[str | None], shape: Sequence[int]) -> tuple[str, ...]:
        """Names for all dimensions of a variable, those that it has kept."""
        taken = {name for name in names if name is not None}
        completed = []
        for name, length in zip(names, shape, strict=True):
            chosen = name or next((free for free in self._by_length[length] if free not in taken), None)
            if chosen is None:
                while f"phony_dim_{self._count}" in self.reserved:
                    self._count += 1
                chosen = f"phony_dim_{self._count}"
                self._count += 1
                self._by_length[length].append(chosen)
            taken.add(chosen)
            completed.append(chosen)
        return tuple(completed)


def with_dimension_names(group: ManifestGroup) -> ManifestGroup:
    """A tree of which every dimension has a name: where the file gives none, one for each length, in all groups."""
    given = {
        name for _, array in group.walk_arrays() for name in array.metadata.dimension_names or () if name
    }
    made_up = AnonymousDimensions(reserved=given)

    def named(array: ManifestArray) -> ManifestArray:
        names = array.metadata.dimension_names or (None,) * array.ndim
        if None not in names:
            return array
        complete = made_up.complete(names, array.shape)
        return replace(array, metadata=replace(array.metadata, dimension_names=complete))

    return group.map_arrays(named)


def with_fitting_dimensions(group: ManifestGroup) -> ManifestGroup:
    """A tree of which dimensions without names, called ``phony_dim_N`` by their axes, have one length each; else named anew."""
    lengths: dict[str, int] = {}
    for _, array in group.walk_arrays():
        names = array.metadata.dimension_names or (None,) * array.ndim
        for axis, (name, length) in enumerate(zip(names, array.shape, strict=True)):
            if lengths.setdefault(name or f"phony_dim_{axis}", length) != length:
                return with_dimension_names(group)
    return group
