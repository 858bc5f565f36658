"""Tests of vzlab.codecs: h5py and hdf5plugin write, and say what is right."""
