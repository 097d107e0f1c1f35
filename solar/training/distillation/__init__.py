"""Training of a network by a teacher."""
