"""Urls, registries, sources and the Zarr store, against the bytes, zarr and the servers themselves."""
