"""The version of the release train."""

__version__ = "0.1.0"
