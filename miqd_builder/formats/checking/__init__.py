"""Checks of a published data set on disk, without a network."""
