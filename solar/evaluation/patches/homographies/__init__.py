"""Sequences with known homographies: detectors, descriptors and matching."""
