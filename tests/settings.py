"""Django settings of the test suite: startproject's middleware plus Locale, a SQLite file."""

import os
from pathlib import Path

import django

BASE_DIR = Path(__file__).parent
SECRET_KEY = "test-suite-only"
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver", ".example.com"]
ROOT_URLCONF = "tests.urls"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
# A file, not memory: events use several threads, each with a connection of its own.
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("RXBRIDGE_TEST_DB", BASE_DIR / "test.sqlite3"),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            # No test cuts the power, and a commit that waits for the disk takes 20 ms.
            "init_command": "PRAGMA synchronous=OFF",
        },
    }
}
if django.VERSION >= (6, 1):  # which has deprecated EMAIL_BACKEND and its like
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("ar", "العربية")]
USE_TZ = True
STATIC_URL = "/static/"
LOGIN_URL = "/admin/login/"
