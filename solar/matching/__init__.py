"""Two photos compared: nearest descriptors, geometry that agrees, and a picture of both."""

from solar.matching.drawing import draw_match
from solar.matching.geometry import Geometry
from solar.matching.nearest import Matches, mutual_nearest, squared_distances
from solar.matching.pair import Match, match
from solar.matching.verification import distinct_matches, verify_matches

__all__ = [
    "Geometry",
    "Match",
    "Matches",
    "distinct_matches",
    "draw_match",
    "match",
    "mutual_nearest",
    "squared_distances",
    "verify_matches",
]
