"""Packages that write down what happened, and by whom."""

from tests.ecosystem.settings import apps
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("easyaudit", "request", "request_profiler", "tracking")
ROOT_URLCONF = "tests.ecosystem.urls"
DJANGO_EASY_AUDIT_WATCH_REQUEST_EVENTS = False
TRACK_PAGEVIEWS = True
