"""The Django app: add ``"rxbridge.django"`` to ``INSTALLED_APPS``."""

from django.apps import AppConfig
from django.core import checks


class RxBridgeConfig(AppConfig):
    """Brings the management commands and the system checks; it has no models."""

    name = "rxbridge.django"
    label = "rxbridge"
    verbose_name = "rxbridge"

    def ready(self) -> None:
        """Register the system checks."""
        from rxbridge.django.checks import check_asgi_application, check_project

        checks.register(check_project)
        # Not on every command: it imports the application, and with it the Reflex app.
        checks.register(check_asgi_application, deploy=True)
