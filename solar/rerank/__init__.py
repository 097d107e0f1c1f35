"""Better orders for what a search found."""
