"""An inspection as text, HTML and pictures."""

from vzlab.render.html_view import to_html_fragment
from vzlab.render.page import to_html, to_page
from vzlab.render.picture import to_png
from vzlab.render.text import to_text

__all__ = ["to_html", "to_html_fragment", "to_page", "to_png", "to_text"]
