"""Zarr stores of version 2 and 3, in directories, buckets, behind HTTP and in ZIP archives, as virtual arrays."""
