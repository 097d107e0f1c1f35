"""The local side of a photo: keypoints and their descriptors."""
