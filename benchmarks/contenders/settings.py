"""The Django project of every contender: startproject's middleware plus Locale, nothing else.

What a run varies comes from the environment, which the driver sets.
"""

import json
import os

DEBUG = False
SECRET_KEY = "not a secret: it signs the sessions of a benchmark"
ALLOWED_HOSTS = ["localhost"]
ROOT_URLCONF = "benchmarks.contenders.urls"
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
if os.environ.get("BENCH_SLEEP"):
    MIDDLEWARE.append("benchmarks.contenders.slow.SleepingMiddleware")
if os.environ.get("BENCH_REFLEX_DJANGO"):
    INSTALLED_APPS.append("reflex_django.django.apps.ReflexDjangoConfig")
    MIDDLEWARE.append("reflex_django.bridge.streaming.AsyncStreamingMiddleware")
if os.environ.get("BENCH_DJUST"):
    INSTALLED_APPS += ["channels", "djust", "benchmarks.contenders"]
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    # Its defaults are for one visitor: 100 events a second, ten sockets an address.
    ENDLESS = 10**9
    LIVEVIEW_CONFIG = {
        "rate_limit": {"rate": ENDLESS, "burst": ENDLESS, "max_connections_per_ip": ENDLESS}
    }
    LIVEVIEW_ALLOWED_MODULES = ["benchmarks.contenders"]
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
DATABASES = {"default": json.loads(os.environ["BENCH_DATABASE"])}
if os.environ.get("BENCH_CACHE"):
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": os.environ["BENCH_CACHE"],
        }
    }
SESSION_ENGINE = "django.contrib.sessions.backends." + os.environ.get("BENCH_SESSIONS", "db")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
USE_TZ = True
STATIC_URL = "/static/"
