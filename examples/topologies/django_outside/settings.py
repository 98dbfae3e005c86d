"""The garden's settings, with the pages among its URLs."""

from garden.settings import *  # noqa: F403

ROOT_URLCONF = "django_outside.urls"
