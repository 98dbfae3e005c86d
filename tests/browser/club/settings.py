"""The suite's settings, with cookies, e-mail and cache as the environment says."""

import os

import django

from tests.settings import *  # noqa: F403

ROOT_URLCONF = "tests.browser.club.urls"
LOGIN_URL = "/login"
STATIC_ROOT = None

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = "CLUB_HTTPS" in os.environ
SESSION_COOKIE_SAMESITE = os.environ.get("CLUB_SAMESITE", "Lax")

_MAIL = "django.core.mail.backends.filebased.EmailBackend"
_MAIL_FOLDER = os.environ.get("CLUB_MAIL", ".")
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": _MAIL, "OPTIONS": {"file_path": _MAIL_FOLDER}}}
else:
    EMAIL_BACKEND, EMAIL_FILE_PATH = _MAIL, _MAIL_FOLDER

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]

if "CLUB_REDIS" in os.environ:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": os.environ["CLUB_REDIS"],
        }
    }
