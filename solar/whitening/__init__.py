"""Whitening as a user makes it: learned from photos, applied to files, folded into models."""
