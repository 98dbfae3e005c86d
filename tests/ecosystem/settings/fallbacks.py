"""What answers a 404 with something of its own: flat pages, redirects, Wagtail's redirects."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps(
    "django.contrib.sites",
    "django.contrib.flatpages",
    "django.contrib.redirects",
    "wagtail.contrib.redirects",
    "wagtail",
    "taggit",
    "modelcluster",
)
MIDDLEWARE = middleware(
    last=[
        "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
        "django.contrib.redirects.middleware.RedirectFallbackMiddleware",
        "wagtail.contrib.redirects.middleware.RedirectMiddleware",
    ]
)
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "context_processors": ["django.contrib.auth.context_processors.auth"],
            "loaders": [
                (
                    "django.template.loaders.locmem.Loader",
                    {"flatpages/default.html": "{{ flatpage.content }}"},
                ),
                "django.template.loaders.app_directories.Loader",
            ],
        },
    }
]
SITE_ID = 1
ROOT_URLCONF = "tests.ecosystem.urls"
