"""netCDF-3: classic, 64-bit offset and 64-bit data (CDF-1, CDF-2, CDF-5)."""
