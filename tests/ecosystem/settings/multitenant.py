"""django-multitenant, with the middleware its documentation has: a user's tenant is entered."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps()
MIDDLEWARE = middleware(last=["tests.ecosystem.test_multitenant.Tenant"])
ROOT_URLCONF = "tests.ecosystem.test_multitenant"
