"""django-hijack."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("hijack")
MIDDLEWARE = middleware(last=["hijack.middleware.HijackUserMiddleware"])
LOGIN_REDIRECT_URL = "/"
ROOT_URLCONF = "tests.ecosystem.urls"
