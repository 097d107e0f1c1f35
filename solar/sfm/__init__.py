"""From an index to structure from motion: pairs, features and matches for hloc and COLMAP.

`solar.sfm.export.export_hloc` is its door. Nothing is imported here: pycolmap runs in a process of
its own, which `solar.sfm.colmap` begins, and in which Pillow must not be.
"""
