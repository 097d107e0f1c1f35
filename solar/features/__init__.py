"""The local side of a photo: keypoints and their descriptors.

Others use `features` (the compact form), `extractor` (photos in, features out), `detectors`,
`descriptors` and `patch_descriptor` (by name), and `patches` (cut around keypoints).
"""
