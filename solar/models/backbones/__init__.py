"""Backbones: networks cut into named stages, one file for each family.

`backbone` says what a backbone is, `named` lists those there are; both need torch.
"""
