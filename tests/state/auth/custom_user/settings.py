"""Settings with a user model whose login name is the e-mail address."""

from tests.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.state.auth.custom_user"]  # noqa: F405
AUTH_USER_MODEL = "custom_user.Member"
