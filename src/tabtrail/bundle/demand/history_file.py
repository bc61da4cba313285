"""Where the history of a model of series lies, and how large it may be, for those that need not read it."""

MOST_HISTORY_BYTES = 2**31 - 1


def history_name(name: str) -> str:
    """Name of the history file of the bundle `name`."""
    return f"{name}_history.npz"
