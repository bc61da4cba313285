"""The HTML page, its charts and pictures."""
