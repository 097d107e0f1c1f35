"""A service as if it were an index (extra `client`)."""

from solar.client.client import Client

__all__ = ["Client"]
