"""Whole projects: Wagtail's has settings of its own, the API of Django REST framework has these."""

from tests.ecosystem.settings import apps
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("rest_framework")
ROOT_URLCONF = "tests.ecosystem.urls"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
}
