"""HDF4 files: their data descriptors read here, their values through references."""
