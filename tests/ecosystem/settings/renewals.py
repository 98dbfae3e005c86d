"""Packages that set one cookie again and again."""

from datetime import timedelta

from tests.ecosystem.settings import apps
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("django_auto_logout", "session_security")
ROOT_URLCONF = "tests.ecosystem.urls"
AUTO_LOGOUT = {"IDLE_TIME": timedelta(minutes=10)}
SESSION_SECURITY_INSECURE = True
