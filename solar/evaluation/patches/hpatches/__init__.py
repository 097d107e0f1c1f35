"""HPatches: verification, matching and retrieval."""
