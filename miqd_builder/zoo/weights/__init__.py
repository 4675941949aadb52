"""Checkpoints: their cache, their download and their safe loading."""
