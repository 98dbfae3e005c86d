"""django-otp, with one-time passwords from a list."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("django_otp", "django_otp.plugins.otp_static")
MIDDLEWARE = middleware(last=["django_otp.middleware.OTPMiddleware"])
