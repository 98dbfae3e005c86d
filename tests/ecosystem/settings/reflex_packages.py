"""Packages made for Reflex, which bring no middleware; startproject's is around their events."""

import os

from tests.ecosystem.settings import apps
from tests.settings import *  # noqa: F403

# No page is built, so no package is to leave files for one.
os.environ["REFLEX_BACKEND_ONLY"] = "1"

INSTALLED_APPS = apps()
ROOT_URLCONF = "tests.ecosystem.urls"
