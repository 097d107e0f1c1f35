"""The service: an HTTP API over one index, and the page that uses it."""

from solar.web.api.settings import Limits, Settings

__all__ = ["Limits", "Settings"]
