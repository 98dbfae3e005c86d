"""django-axes: an address is locked out after two failed logins."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("axes")
MIDDLEWARE = middleware(last=["axes.middleware.AxesMiddleware"])
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_FAILURE_LIMIT = 2
AXES_VERBOSE = False
