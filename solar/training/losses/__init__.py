"""Losses of descriptors: triplet, contrastive, average precision, second-order similarity.

Each takes rows of unit length in one of three forms, and returns one number:

- `loss((queries, positives, negatives))` of shapes (T, D), (T, D) and (T, S, D);
- `loss(descriptors, labels)` with tuples of equal size, one after the other: a query (label -1),
  its positive (1), its negatives (0);
- `loss(descriptors, labels)` with class ids, 0 or more, such as the numbers of places: each row
  with each other of its class is a tuple whose negatives are all rows of other classes.
"""

from solar.training.losses.listwise import ap_loss
from solar.training.losses.tuples import SosVariant, contrastive_loss, sos_loss, triplet_loss

__all__ = ["SosVariant", "ap_loss", "contrastive_loss", "sos_loss", "triplet_loss"]
