"""Which file the chunks of a DMR++ document lie in."""

from __future__ import annotations

from dataclasses import dataclass, field

from vzlab.errors import SourceNotFoundError, UnreachableChunkError, UnvirtualizableError
from vzlab.manifests import SourceFile
from vzlab.storage import Source, StoreRegistry, join_url, normalize_url, url_name

PLACEHOLDER = "OPeNDAP_DMRpp_DATA_ACCESS_URL"
"""What documents of NASA's archives have for the url of their data: Hyrax replaces it."""


@dataclass(kw_only=True)
class DataFiles:
    """Finds the files that a document names, each once."""

    document: Source
    registry: StoreRegistry
    data_url: str | None
    """What the caller says that all chunks lie in."""
    _found: dict[str, SourceFile] = field(default_factory=dict)

    def find(self, href: str) -> SourceFile:
        """The file that an ``href`` names.

        A relative one starts at the document; since it is often a path on the server that it was made for, the file of that
        name beside the document is taken too. Files elsewhere are not asked for: their length is not known then.

        Raises
        ------
        SourceNotFoundError
            If ``data_url`` names no file.
        UnvirtualizableError
            If a document that came over the network names a file of this machine.
        """
        if href not in self._found:
            self._found[href] = self._find(href)
        return self._found[href]

    def _find(self, href: str) -> SourceFile:
        if self.data_url is not None:
            return self.registry.open(self.data_url).source_file()
        here = self.document.url
        if "://" in href:
            if href.startswith("file:") and not here.startswith("file:"):
                raise UnvirtualizableError(
                    f"Its bytes lie in {href}, says a document from {here}; expected a url of the network. Give data_url=..."
                )
            return SourceFile(url=normalize_url(href))
        beside = here.removesuffix(".dmrpp")
        names = [] if href in ("", PLACEHOLDER) else [join_url(here, href), join_url(here, url_name(href))]
        candidates = [*names, beside] if beside != here else names
        if not candidates:
            raise UnvirtualizableError(
                f"Nothing says which file its bytes lie in: {here} has no dmrpp:href. Give data_url=..."
            )
        for candidate in dict.fromkeys(candidates):
            try:
                return self.registry.open(candidate).source_file()
            except (SourceNotFoundError, UnreachableChunkError):
                continue
        return SourceFile(url=candidates[0])
