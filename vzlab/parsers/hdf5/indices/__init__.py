"""The chunk indices of HDF5, each decoded from its own bytes, a whole level at a time."""
