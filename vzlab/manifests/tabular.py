"""What has manifests gives them as a table."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from vzlab.manifests.manifest import ChunkManifest


class Tabular:
    """Mixin: the chunks of all variables as one table, a row for each chunk."""

    @abstractmethod
    def _manifests(self) -> Iterable[tuple[str, ChunkManifest]]:
        """Path and manifest of each virtual variable."""

    def to_arrow(self) -> pa.Table:
        """Give all chunks as an Arrow table, ready for DuckDB, Polars or Parquet; reads nothing.

        Returns
        -------
        pyarrow.Table
            Columns ``variable`` (its path), ``chunk`` (indices in the chunk grid), ``url``, ``offset`` and ``length`` (in
            bytes), and ``state``: virtual, inline or missing. Url and offset are null for what lies in no file, the length
            for what is missing.

        Raises
        ------
        MissingDependencyError
            If pyarrow is not installed.
        """
        from vzlab.manifests.table import to_arrow

        return to_arrow(self._manifests())

    def to_dataframe(self) -> pd.DataFrame:
        """Give all chunks as a pandas data frame, with the columns of `to_arrow`."""
        return self.to_arrow().to_pandas()
