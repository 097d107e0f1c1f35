"""Training of global networks from tuples."""
