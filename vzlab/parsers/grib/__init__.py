"""GRIB editions 1 and 2 as virtual arrays."""
