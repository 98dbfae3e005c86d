"""django-maintenance-mode; the tests switch it on."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403
from tests.settings import TEMPLATES

INSTALLED_APPS = apps("maintenance_mode")
MIDDLEWARE = middleware(last=["maintenance_mode.middleware.MaintenanceModeMiddleware"])
MAINTENANCE_MODE = False
MAINTENANCE_MODE_IGNORE_STAFF = True
MAINTENANCE_MODE_TEMPLATE = "closed.html"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [("django.template.loaders.locmem.Loader", {"closed.html": "Closed."})],
            "context_processors": TEMPLATES[0]["OPTIONS"]["context_processors"],
        },
    }
]
