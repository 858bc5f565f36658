"""The view of what is open: the explorer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vzlab.render.html import callout
from vzlab.webapp.style import html
from vzlab.webapp.view import View

if TYPE_CHECKING:
    from vzlab.webapp.session import App


class ExploreView(View):
    """Everything that can be seen of a file without reading its data."""

    name = "Explore"

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.page = html()
        self.layout.objects = [self.message, self.page, self.code]

    def show(self) -> None:
        """Show what is open."""
        inspection = self.app.inspection
        if inspection is None:
            self.say(
                callout(
                    "Open a file above: HDF5, netCDF, Zarr, GRIB, TIFF, FITS, Kerchunk, Icechunk, ... Nothing is copied."
                )
            )
            self.page.object = ""
            return
        self.say()
        self.page.object = inspection._repr_html_()
        self.show_code("import vzlab as vz", "", f"vz.explore({self.source_code()})")
