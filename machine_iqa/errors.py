"""Errors of videos and cameras; those of images and models are in :mod:`miqd_builder.errors`."""

from miqd_builder.errors import MiqdError


class UnreadableVideoError(MiqdError):
    """A video can't be opened, or none of its frames can be decoded."""


class CameraError(MiqdError):
    """A camera can't be opened, or it stopped sending frames."""
