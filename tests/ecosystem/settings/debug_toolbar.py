"""django-debug-toolbar, shown to all."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("debug_toolbar")
MIDDLEWARE = middleware(first=["debug_toolbar.middleware.DebugToolbarMiddleware"])
DEBUG_TOOLBAR_CONFIG = {"SHOW_TOOLBAR_CALLBACK": "tests.ecosystem.settings.debug_toolbar.shown"}
ROOT_URLCONF = "tests.ecosystem.urls"


def shown(request: object) -> bool:
    """Show the toolbar, whatever the address."""
    return True
