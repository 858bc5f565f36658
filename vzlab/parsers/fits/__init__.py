"""FITS: images, tile-compressed images, and tables."""
