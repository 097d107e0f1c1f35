"""Measuring descriptors as the field does: retrieval, patches, homographies, reports."""
