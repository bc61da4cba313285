"""A forecast of a segment and its risk, each with what it was measured to be worth."""
