"""Build databases of degraded images labelled by what they do to vision models."""

__version__ = "0.1.0"
