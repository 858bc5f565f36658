"""TIFF in all its flavours: GeoTIFF, COG, BigTIFF, OME-TIFF."""
