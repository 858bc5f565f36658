"""Kerchunk references, as JSON, Parquet or Python objects, as virtual arrays."""
