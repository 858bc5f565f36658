"""What TIFF tags say of a page, as attributes: missing values, packing, units, palettes, descriptions."""

from __future__ import annotations

from typing import Any

import numpy as np
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

MAX_TEXT = 1 << 20
"""Longer texts are left out of attributes."""

MAX_PALETTE = 256
"""Palettes of more colours are left out of attributes."""

_TEXTS = {
    269: "document_name",
    270: "description",
    271: "make",
    272: "model",
    285: "page_name",
    305: "software",
    306: "date_time",
    315: "artist",
    33432: "copyright",
}
"""Tags of text (TIFF 6.0, section 8 and 12) to names of attributes."""

_GDAL_METADATA, _GDAL_NODATA = 42112, 42113


def read_texts(page: Any) -> dict[str, Any]:
    """Attributes of a file from the first page's tags of text, and GDAL's metadata of the whole dataset."""
    texts = {}
    for code, name in _TEXTS.items():
        text = _text(page, code)
        if text:
            texts[name] = text
    for item in _gdal_items(page):
        if "sample" not in item.attrib and item.text and "name" in item.attrib:
            texts.setdefault(item.attrib["name"], item.text)
    return texts


def read_page_attributes(page: Any, *, number: int) -> dict[str, Any]:
    """Attributes of one page's variable, in CF's terms where CF has them."""
    attributes: dict[str, Any] = {"tiff_page": number}
    photometric = getattr(page.photometric, "name", None)
    if photometric is not None:
        attributes["photometric"] = photometric.lower()
    if (name := _text(page, 285)) is not None:
        attributes["long_name"] = name
    attributes |= _nodata(page)
    attributes |= _band_attributes(page)
    palette = page.tags.valueof(320)
    if palette is not None and len(palette) % 3 == 0 and len(palette) <= 3 * MAX_PALETTE:
        # TIFF 6.0, section 5: all reds, then greens, then blues, of 16 bits.
        attributes["palette"] = np.asarray(palette, np.int64).reshape(3, -1).T.tolist()
    return attributes


def _text(page: Any, code: int) -> str | None:
    value = page.tags.valueof(code)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value if isinstance(value, str) and len(value) <= MAX_TEXT else None


def _nodata(page: Any) -> dict[str, Any]:
    """GDAL's nodata as `_FillValue` where the data type can hold it, else as it is written."""
    text = _text(page, _GDAL_NODATA)
    if text is None:
        return {}
    text = text.strip().rstrip("\0")
    kind = "" if page.dtype is None else page.dtype.kind
    try:
        if kind == "f":
            return {"_FillValue": float(text.replace(",", "."))}
        if kind in "iu" and kind:
            number = float(text.replace(",", "."))
            whole = int(text) if text.lstrip("+-").isdigit() else int(number)
            limits = np.iinfo(page.dtype)
            if whole == number and limits.min <= whole <= limits.max:
                return {"_FillValue": whole}
    except (ValueError, OverflowError):
        pass
    return {"nodata": text}


def _gdal_items(page: Any) -> list[Any]:
    """``Item`` elements of GDAL's metadata; none where it is no sound XML."""
    text = _text(page, _GDAL_METADATA)
    if text is None:
        return []
    try:
        return list(ElementTree.fromstring(text.rstrip("\0 \n")).iter("Item"))
    except (ElementTree.ParseError, DefusedXmlException, ValueError):
        return []


def _band_attributes(page: Any) -> dict[str, Any]:
    """Scale, offset, units and descriptions by band: as CF attributes where all bands agree, else as lists by band."""
    n_bands = int(page.samplesperpixel)
    defaults: dict[str, Any] = {"scale": 1.0, "offset": 0.0, "unittype": "", "description": ""}
    by_role: dict[str, dict[int, Any]] = {}
    for item in _gdal_items(page):
        role, text = item.attrib.get("role", ""), item.text
        sample = item.attrib.get("sample", "")
        if role not in defaults or text is None or not sample.isdigit() or int(sample) >= n_bands:
            continue
        try:
            by_role.setdefault(role, {})[int(sample)] = float(text) if role in ("scale", "offset") else text
        except ValueError:
            continue
    attributes: dict[str, Any] = {}
    names = {"scale": "scale_factor", "offset": "add_offset", "unittype": "units", "description": "long_name"}
    for role, values in by_role.items():
        bands = [values.get(band, defaults[role]) for band in range(n_bands)]
        if len(set(bands)) == 1:
            attributes[names[role]] = bands[0]
        else:
            attributes[f"band_{names[role]}"] = bands
    return attributes
