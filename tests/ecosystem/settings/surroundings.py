"""Packages that put something around a view: on the request, on the thread, into the context."""

from tests.ecosystem.settings import apps
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("cid.apps.CidAppConfig", "django_guid", "django_hosts", "flags", "waffle")
ROOT_URLCONF = "tests.ecosystem.urls"
DEFAULT_HOST = "shop"
ROOT_HOSTCONF = "tests.ecosystem.hosts"
REQUEST_ID_HEADER = None
