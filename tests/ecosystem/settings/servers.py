"""Other servers than those the parts are made on: nothing but the usual settings."""

from tests.settings import *  # noqa: F403
