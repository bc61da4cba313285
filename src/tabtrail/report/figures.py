"""How a figure is written for the eye, on every page alike. Text alone: knowing it imports nothing."""


def shown(value: float, digits: int = 4, *, percent: bool = False) -> str:
    """Round to significant digits, whole where it has that many before the point."""
    scaled = 100 * value if percent else value
    group = "," if abs(scaled) >= 10_000 else ""  # 2003 may be a year
    whole = abs(scaled) >= 10 ** (digits - 1) or scaled == int(scaled)
    # 99.96 to three digits would be written "100."
    text = f"{scaled:{group}.0f}" if whole else f"{scaled:#{group}.{digits}g}".removesuffix(".")
    return f"{text} %" if percent else text
