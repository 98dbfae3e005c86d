"""Sentry's SDK: nothing but the usual settings."""

from tests.ecosystem.settings import apps
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps()
ROOT_URLCONF = "tests.ecosystem.test_sentry"
