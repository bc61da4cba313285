"""One messy business CSV and one typed YAML in; tracked, explained, proven and served predictions out."""

__version__ = "0.1.0"
