"""Photos with labels: which place each shows."""

from solar.datasets.places.places import Part, Places, Problems, open_places, read_places

__all__ = ["Part", "Places", "Problems", "open_places", "read_places"]
