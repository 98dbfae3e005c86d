"""Packages that change what is answered."""

import pytest
from cookie_consent.models import Cookie, CookieGroup
from django.contrib.auth.models import User

from tests.ecosystem.visitors import Visit, package

pytestmark = pytest.mark.django_db(transaction=True)


def does_with(visit: Visit, header: str, value: str | None = None, **options) -> bool:
    """Tell whether work is done, and a view's answer has the header."""
    answer = visit(**options).does()
    assert answer.status == 200
    if visit.by == "view":
        assert header in answer.headers
        assert value in (None, answer.headers[header])
    return answer.ran


@package(
    "django-permissions-policy",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    PERMISSIONS_POLICY={"camera": []},
)
def test_permissions_policy(visit: Visit):
    """the header is on what Django answers; handlers run"""
    assert does_with(visit, "Permissions-Policy", "camera=()")


@package(
    "django-referrer-policy",
    "django_referrer_policy.middleware.ReferrerPolicyMiddleware",
    REFERRER_POLICY="same-origin",
)
def test_referrer_policy(visit: Visit):
    """the header is on what Django answers; handlers run"""
    assert does_with(visit, "Referrer-Policy", "same-origin")


@package(
    "django-x-robots-tag-middleware",
    "x_robots_tag_middleware.middleware.XRobotsTagMiddleware",
    X_ROBOTS_TAG="noindex",
)
def test_x_robots_tag(visit: Visit):
    """the header is on what Django answers; handlers run"""
    assert does_with(visit, "X-Robots-Tag", "noindex")


@package(
    "django-compression-middleware",
    first=("compression_middleware.middleware.CompressionMiddleware",),
)
def test_compression(visit: Visit):
    """what Django answers is compressed; handlers run"""
    assert does_with(visit, "Vary", headers={"accept-encoding": "br, gzip"})


@package("django-brotli", first=("django_brotli.middleware.BrotliMiddleware",))
def test_brotli(visit: Visit):
    """what Django answers is compressed; handlers run"""
    assert visit(headers={"accept-encoding": "br"}).does().ran


@package("django-minify-html", first=("django_minify_html.middleware.MinifyHtmlMiddleware",))
def test_minify_html(visit: Visit):
    """what Django answers is made smaller; handlers run"""
    assert visit().does().ran


@package(
    "django-browser-reload",
    "django_browser_reload.middleware.BrowserReloadMiddleware",
    DEBUG=True,
)
def test_browser_reload(visit: Visit):
    """its script is in Django's pages; handlers run"""
    assert visit().does().ran


@package(
    "django-cprofile-middleware",
    "django_cprofile_middleware.middleware.ProfilerMiddleware",
    DEBUG=True,
)
def test_cprofile(visit: Visit):
    """at a page with `?prof` a handler runs, once"""
    ran = []
    staff = User.objects.create_user("ada", is_staff=True)
    answer = visit(staff, query="prof").does(ran.append)
    assert (answer.status, len(ran)) == (200, 1)


@package("pyinstrument", "pyinstrument.middleware.ProfilerMiddleware")
def test_pyinstrument(visit: Visit):
    """at a page with `?profile` a handler runs, once"""
    ran = []
    answer = visit(query="profile").does(lambda request: ran.append(request.profiler.is_running))
    assert (answer.status, ran) == (200, [True])


@package("inertia-django", "inertia.middleware.InertiaMiddleware")
def test_inertia(visit: Visit):
    """the CSRF cookie is set; handlers run"""
    visitor = visit()
    assert visitor.does().ran
    assert "csrftoken" in visitor.cookies


@package("django-cookie-consent", "cookie_consent.middleware.CleanCookiesMiddleware")
def test_cookie_consent(visit: Visit):
    """a cookie that was not consented to is taken from the browser"""
    group = CookieGroup.objects.create(varname="ads", name="Ads", is_deletable=True)
    Cookie.objects.create(cookiegroup=group, name="ad", domain="")
    visitor = visit(cookies={"ad": "1", "theme": "dark"})
    assert visitor.does().ran
    assert "ad" not in visitor.cookies
    assert visitor.cookies["theme"] == "dark"
