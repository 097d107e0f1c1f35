"""Data sets: readers of published ones, which check what they read, and photos made anew."""
