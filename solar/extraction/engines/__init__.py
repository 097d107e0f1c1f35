"""Engines: each runs networks in its own way and implements `Extractor`."""
