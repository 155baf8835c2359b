"""Amounts of bytes, as people read them."""


def human(size: int) -> str:
    """In the largest unit that it has one of: "9.5 GiB", "2 MiB", "312 B"."""
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << shift:
            amount = size / (1 << shift)
            return f"{amount:,.{amount < 10:d}f}".removesuffix(".0") + f" {unit}"
    return f"{size} B"
