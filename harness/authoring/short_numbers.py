"""Numbers of any size as a sentence writes them."""


def short_number(number: float, digits: int = 3) -> str:
    """`0.0523`, `183`, `12,300`: a number to so many significant digits."""
    rounded = float(f"{number:.{digits}g}")
    return f"{rounded:,.15g}" if abs(rounded) < 1e15 else f"{rounded:g}"
