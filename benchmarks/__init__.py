"""vzlab beside VirtualiZarr, kerchunk and the native libraries, as ratios in one run: ``python -m benchmarks``."""
