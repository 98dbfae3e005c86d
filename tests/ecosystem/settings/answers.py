"""Packages that change what is answered."""

from tests.ecosystem.settings import apps
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("cookie_consent", "inertia")
ROOT_URLCONF = "tests.ecosystem.urls"
