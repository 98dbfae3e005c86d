"""How the shop writes amounts."""

from decimal import Decimal

from django.utils.formats import number_format
from django.utils.translation import gettext as _


def euros(amount: Decimal) -> str:
    """Return ``amount`` as customers read it: ``€1,240.50``, in German ``1.240,50 €``."""
    return _("€{amount}").format(amount=number_format(amount, 2, force_grouping=True))
