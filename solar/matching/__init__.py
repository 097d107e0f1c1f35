"""Local matching of two photos: keypoints, patches, mutual matches, geometry."""
