"""NIfTI images as nibabel reads them."""

from __future__ import annotations

from typing import Any

import nibabel
import numpy as np

from vzlab.oracles.base import (
    NativeVariable,
    NoOracleError,
    Readable,
    ReadFile,
    Region,
    Unstated,
    decoded,
)


def open_file(location: Any) -> ReadFile:
    """An image on this machine."""
    if not isinstance(location, str):
        raise NoOracleError("nibabel reads local files only: copy the file here")
    try:
        image: Any = nibabel.load(location)
    except nibabel.filebasedimages.ImageFileError as error:
        raise OSError(f"nibabel cannot open it: {error}") from error
    proxy = image.dataobj
    array_proxy: Any = nibabel.arrayproxy.ArrayProxy
    slope, offset = float(proxy.slope), float(proxy.inter)
    scaling = {} if (slope, offset) == (1.0, 0.0) else {"scale_factor": slope, "add_offset": offset}

    def read(region: Region) -> Any:
        # Without scaling the proxy gives what is stored, of the region alone.
        return array_proxy(proxy.file_like, (proxy.shape, proxy.dtype, proxy.offset, 1.0, 0.0))[region]

    return ReadFile(
        f"nibabel {nibabel.__version__}",
        [
            Readable(
                described=NativeVariable(
                    path="image",
                    dims=(None,) * len(proxy.shape),
                    shape=tuple(proxy.shape),
                    dtype=np.dtype(proxy.dtype).newbyteorder("="),
                    attributes=Unstated(scaling),
                    codecs="none",
                    identity="image",
                ),
                read=read,
                decode=lambda region: decoded("image", read(region), scaling),
            )
        ],
    )
