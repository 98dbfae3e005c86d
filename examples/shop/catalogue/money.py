"""How the shop writes amounts."""

from decimal import Decimal


def euros(amount: Decimal) -> str:
    """Return ``amount`` as customers read it: ``€1,240.50``."""
    return f"€{amount:,.2f}"
