"""HDF5 and netCDF4: h5py reads headers, types and attributes; what lies where becomes manifests."""
