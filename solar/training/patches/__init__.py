"""Training of local networks from patches."""
