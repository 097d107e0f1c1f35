"""Patches with labels: which point each shows."""
