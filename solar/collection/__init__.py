"""What a collection knows of itself: its places, its duplicates, where a photo was taken."""

from solar.collection.deduplicating import duplicates
from solar.collection.grouping import Place, PlacePhoto, PlaceRange, PlacesFound, places
from solar.collection.links import Links, links_of
from solar.collection.locating import Located, Location, Proof, where
from solar.collection.sameness import LADDER, Duplicates, Group, GroupedPhoto, Sameness

__all__ = [
    "LADDER",
    "Duplicates",
    "Group",
    "GroupedPhoto",
    "Links",
    "Located",
    "Location",
    "Place",
    "PlacePhoto",
    "PlaceRange",
    "PlacesFound",
    "Proof",
    "Sameness",
    "duplicates",
    "links_of",
    "places",
    "where",
]
