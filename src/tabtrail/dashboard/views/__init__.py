"""The pages, one a file: thin, over functions that return frames and figures."""
