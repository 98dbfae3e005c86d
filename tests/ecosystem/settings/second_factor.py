"""Packages that ask for more than a password, or count the wrong ones."""

from tests.ecosystem.settings import apps
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps(
    "defender",
    "django_otp",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_totp",
    "mfa",
    "two_factor",
)
ROOT_URLCONF = "tests.ecosystem.urls"
DEFENDER_REDIS_URL = "redis://127.0.0.1:1/0"  # the test has one of its own
DEFENDER_LOGIN_FAILURE_LIMIT = 2
MFA_UNALLOWED_METHODS = ()
MFA_RECHECK = False
