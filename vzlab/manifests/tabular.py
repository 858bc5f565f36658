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
        """Give all chunks as a pandas data frame, with the columns of `to_arrow`; what is null there is ``<NA>``.

        Examples
        --------
        >>> import vzlab as vz
        >>> table = vz.open_group("archive/sst_2025-01-01.nc").to_dataframe()
        >>> table.dtypes[["offset", "length"]].astype(str).to_dict()
        {'offset': 'UInt64', 'length': 'UInt64'}
        """
        import pandas as pd

        table = self.to_arrow()
        # Without this, one chunk that lies in no file would make the offsets of all others floating numbers.
        return table.to_pandas(types_mapper={table.schema.field("offset").type: pd.UInt64Dtype()}.get)
