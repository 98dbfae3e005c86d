"""django-silk."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("silk")
MIDDLEWARE = middleware(first=["silk.middleware.SilkyMiddleware"])
ROOT_URLCONF = "tests.ecosystem.urls"
