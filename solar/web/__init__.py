"""What a browser shows."""

from solar.web.album import write_duplicates, write_places, write_where
from solar.web.html import write_html
from solar.web.page import write_page

__all__ = ["write_duplicates", "write_html", "write_page", "write_places", "write_where"]
