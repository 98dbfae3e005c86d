"""django-csp."""

from csp.constants import SELF

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("csp")
MIDDLEWARE = middleware(last=["csp.middleware.CSPMiddleware"])
CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"default-src": [SELF]}}
ROOT_URLCONF = "tests.ecosystem.urls"
