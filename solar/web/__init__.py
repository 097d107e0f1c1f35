"""What a browser shows."""

from solar.web.html import write_html
from solar.web.page import write_page

__all__ = ["write_html", "write_page"]
