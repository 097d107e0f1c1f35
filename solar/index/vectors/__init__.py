"""Where an index keeps descriptors, and how they are searched."""
