"""django-auto-logout and django-impersonate, whose middleware each test puts into its list."""

from datetime import timedelta

from tests.ecosystem.settings import apps
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("impersonate")
AUTO_LOGOUT = {"SESSION_TIME": timedelta(hours=1)}
ROOT_URLCONF = "tests.ecosystem.test_kept_identity"
