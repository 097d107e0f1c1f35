"""Local descriptors measured: PhotoTour, HPatches, homography pairs."""
