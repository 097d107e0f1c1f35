"""What a browser shows."""

from solar.web.html import write_html
from solar.web.page import Search, write_page

__all__ = ["Search", "write_html", "write_page"]
