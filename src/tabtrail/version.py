"""The version of the package; a module of its own, so that no module imports the public face above it."""

__version__ = "0.1.0"
