"""Bundles: one run with all it needs in a folder that trains anywhere and is fetched home."""
