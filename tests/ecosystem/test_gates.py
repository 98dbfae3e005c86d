"""Packages that let some requests in and others not."""

from base64 import b64encode
from datetime import timedelta

import pytest
from blacklist.models import Rule
from django.contrib.auth.models import User

from tests.ecosystem.visitors import Visit, package

pytestmark = pytest.mark.django_db(transaction=True)
TO_LOGIN = "/admin/login/?next=/"


@pytest.fixture
def ada():
    return User.objects.create_user("ada")


@package("django-stronghold", "stronghold.middleware.LoginRequiredMiddleware")
def test_stronghold(visit: Visit, ada: User):
    """a visitor is sent to the login page, a user is let in"""
    answer = visit().does()
    assert (answer.ran, answer.status, answer.location) == (False, 302, TO_LOGIN)
    assert visit(ada).does().ran


@package("django-require-login", "django_require_login.middleware.LoginRequiredMiddleware")
def test_require_login(visit: Visit, ada: User):
    """a visitor is sent to the login page, a user is let in"""
    answer = visit().does()
    assert (answer.ran, answer.status, answer.location) == (False, 302, TO_LOGIN)
    assert visit(ada).does().ran


@package("django-login-required-middleware", "login_required.middleware.LoginRequiredMiddleware")
def test_login_required(visit: Visit, ada: User):
    """a visitor is sent to the login page, a user is let in"""
    answer = visit().does()
    assert (answer.ran, answer.status, answer.location) == (False, 302, TO_LOGIN)
    assert visit(ada).does().ran


@package("django-lockdown", "lockdown.middleware.LockdownMiddleware", LOCKDOWN_PASSWORDS=["open"])
def test_lockdown(visit: Visit, settings):
    """nobody is let in but from the addresses that may preview"""
    assert not visit().does().ran
    settings.LOCKDOWN_REMOTE_ADDR_EXCEPTIONS = ["203.0.113.7"]
    assert not visit().does().ran
    assert visit(client="203.0.113.7").does().ran


@package("django-blacklist", "blacklist.middleware.BlacklistMiddleware")
def test_blacklist(visit: Visit, ada: User):
    """a blocked user and a blocked address are refused with 400, others let in"""
    Rule.objects.create(user=ada, duration=timedelta(days=1))
    Rule.objects.create(address="203.0.113.7", prefixlen=32, duration=timedelta(days=1))
    answers = [visit(ada).does(), visit(client="203.0.113.7").does()]
    assert [(answer.ran, answer.status) for answer in answers] == [(False, 400)] * 2
    assert visit(client="203.0.113.8").does().ran


@package(
    "django-admin-ip-restrictor",
    "admin_ip_restrictor.middleware.AdminIPRestrictorMiddleware",
    RESTRICT_ADMIN=True,
    ALLOWED_ADMIN_IPS=["198.51.100.1"],
)
def test_admin_ip_restrictor(visit: Visit):
    """what is no URL of the admin is let in from anywhere"""
    assert visit(client="203.0.113.7").does().ran


@package(
    "django-basic-auth-ip-whitelist",
    first=("baipw.middleware.BasicAuthIPWhitelistMiddleware",),
    BASIC_AUTH_LOGIN="ada",
    BASIC_AUTH_PASSWORD="secret",
    BASIC_AUTH_WHITELISTED_IP_NETWORKS=["203.0.113.0/24"],
)
def test_basic_auth_ip_whitelist(visit: Visit):
    """refused with 401 but for the password of the handshake, or a listed address"""
    answer = visit().does()
    assert (answer.ran, answer.status) == (False, 401)
    assert visit(headers={"authorization": f"Basic {b64encode(b'ada:secret').decode()}"}).does().ran
    assert visit(client="203.0.113.7").does().ran


@package(
    "django-basicauth",
    first=("basicauth.middleware.BasicAuthMiddleware",),
    BASICAUTH_USERS={"ada": "secret"},
)
def test_basicauth(visit: Visit):
    """refused with 401 but for the password of the handshake"""
    answer = visit().does()
    assert (answer.ran, answer.status) == (False, 401)
    assert visit(headers={"authorization": f"Basic {b64encode(b'ada:secret').decode()}"}).does().ran


@package("django-honeypot", "honeypot.middleware.HoneypotMiddleware", HONEYPOT_FIELD_NAME="trap")
def test_honeypot(visit: Visit):
    """a POST without the form's field is refused with 400, and so is every event"""
    answer = visit().does()
    assert (answer.ran, answer.status) == (False, 400)
    skip = ("honeypot.middleware.HoneypotMiddleware",)
    assert visit(skip=skip).does().ran is (visit.by != "view")


@package(
    "django-idempotency-key",
    "idempotency_key.middleware.IdempotencyKeyMiddleware",
)
def test_idempotency_key(visit: Visit):
    """a POST without a key is refused with 400, and so is every handler"""
    answer = visit().does()
    assert (answer.ran, answer.status) == (False, 400)
    skip = ("idempotency_key.middleware.IdempotencyKeyMiddleware",)
    assert visit(skip=skip).does().ran is (visit.by != "view")


@package(
    "django-idempotency-key",
    "idempotency_key.middleware.ExemptIdempotencyKeyMiddleware",
)
def test_idempotency_key_by_decorator(visit: Visit):
    """with the middleware that exempts what is not decorated, all is let in"""
    visitor = visit(headers={"idempotency-key": "one"})
    assert [visitor.does().ran for _ in range(2)] == [True, True]


@package(
    "django-enforce-host",
    first=("enforce_host.EnforceHostMiddleware",),
    ENFORCE_HOST="localhost",
)
def test_enforce_host(visit: Visit):
    """from another host name the browser is sent to the right one"""
    answer = visit(host="other.example.com").does()
    assert (answer.ran, answer.status) == (False, 301)
    assert answer.location == "http://localhost/"
    assert visit().does().ran


@package(
    "django-canonical-domain",
    first=("canonical_domain.middleware.canonical_domain",),
    SECURE_SSL_HOST="localhost",
)
def test_canonical_domain(visit: Visit):
    """from another host name a GET is sent to the right one; a POST, as of a handler, is let in"""
    answer = visit(host="other.example.com", method="GET").does()
    assert (answer.ran, answer.status) == (False, 301)
    assert answer.location == "http://localhost/"
    assert visit(host="other.example.com").does().ran


@package(
    "django-xff",
    first=("xff.middleware.XForwardedForMiddleware",),
    XFF_TRUSTED_PROXY_DEPTH=1,
    XFF_STRICT=True,
)
def test_xff(visit: Visit):
    """the address is what the proxy said at the handshake; too many proxies are refused with 400"""

    def address(request):
        return request.META["REMOTE_ADDR"]

    assert visit(headers={"x-forwarded-for": "203.0.113.7"}).does(address).value == "203.0.113.7"
    assert visit(headers={"x-forwarded-for": "203.0.113.7, 1.2.3.4"}).does().status == 400
