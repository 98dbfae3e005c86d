"""The host names of django-hosts."""

from django_hosts import host, patterns

host_patterns = patterns(
    "",
    host("shop", "tests.ecosystem.urls", name="shop"),
    host("api", "tests.ecosystem.urls", name="api"),
)
