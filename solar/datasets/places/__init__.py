"""Photos with labels: which place each shows."""
