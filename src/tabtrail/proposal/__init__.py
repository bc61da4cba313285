"""A config proposed from a file: what it holds, looked at once, with the evidence for every guess."""
