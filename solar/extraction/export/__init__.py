"""Networks as graphs that run without torch, here and in other programs."""

from solar.errors import naming_extras

with naming_extras():
    from solar.extraction.export.write import export

__all__ = ["export"]
