"""Published benchmarks as labelled sets; each file says what it reads and how it counts.

Each opener takes a folder as its authors give it out, and returns a `LabelledSet` whose ground
truth carries the figures that the benchmark is told by.
"""

from solar.datasets.benchmarks.gldv2 import open_gldv2
from solar.datasets.benchmarks.groups import open_holidays, open_products, open_ukbench
from solar.datasets.benchmarks.instre import open_instre
from solar.datasets.benchmarks.vpr import open_vpr

__all__ = [
    "open_gldv2",
    "open_holidays",
    "open_instre",
    "open_products",
    "open_ukbench",
    "open_vpr",
]
