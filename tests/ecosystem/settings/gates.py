"""Packages that let some requests in and others not."""

from tests.ecosystem.settings import apps
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("blacklist", "canonical_domain", "honeypot", "lockdown", "stronghold")
ROOT_URLCONF = "tests.ecosystem.urls"
BLACKLIST_RELOAD_PERIOD = 0
