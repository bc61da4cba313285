"""Opening a source: its bytes, encoding and header."""
