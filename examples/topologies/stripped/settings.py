"""The settings of all topologies, and where a browser finds what is below the path."""

from garden.settings import *  # noqa: F403

STATIC_URL = "/garden/static/"
LOGIN_URL = "admin:login"
