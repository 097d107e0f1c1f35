"""Retrieval measured: descriptors exported, ranked, scored."""
