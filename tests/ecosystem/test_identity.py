"""Packages that say who it is, and for how long."""

from datetime import datetime, timedelta

import pytest
import sesame.utils
from django.contrib.auth.models import Group, User
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone
from guardian.shortcuts import assign_perm
from oauth2_provider.models import AccessToken
from qsessions.models import Session as QSession
from social_core.exceptions import AuthCanceled
from user_sessions.models import Session as UserSession

from tests.ecosystem.visitors import Visit, package

pytestmark = pytest.mark.django_db(transaction=True)
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
MODEL = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def ada():
    return User.objects.create_user("ada", last_login=timezone.now())


def name(request):
    return request.user.get_username()


def remember(**values):
    """Return work that puts ``values`` into the session."""
    return lambda request: request.session.update(values)


@package("django-impersonate", "impersonate.middleware.ImpersonateMiddleware")
def test_impersonate(visit: Visit, ada: User):
    """the event is the other user's, and knows who it really is; it starts and stops at once"""
    root = visit(User.objects.create_superuser("root", last_login=timezone.now()))

    def both(request):
        return request.user.get_username(), request.real_user.get_username()

    assert root.does(both).value == ("root", "root")
    root.does(remember(_impersonate=ada.pk))
    assert root.does(both).value == ("ada", "root")
    root.does(lambda request: request.session.pop("_impersonate"))
    assert root.does(both).value == ("root", "root")


@package(
    "django-auto-logout",
    "django_auto_logout.middleware.auto_logout",
    AUTO_LOGOUT={"SESSION_TIME": timedelta(hours=1)},
)
def test_auto_logout(visit: Visit, ada: User):
    """when the session's time is over, the event is nobody's"""
    visitor = visit(ada)
    assert visitor.does(name).value == "ada"
    User.objects.update(last_login=timezone.now() - timedelta(hours=2))
    assert visitor.does(name).value == ""
    assert "sessionid" not in visitor.cookies


@package("django-session-timeout", "django_session_timeout.middleware.SessionTimeoutMiddleware")
def test_session_timeout(visit: Visit, ada: User, settings):
    """a session that is over sends to the login page"""
    visitor = visit(ada)
    assert visitor.does(name).value == "ada"
    settings.SESSION_EXPIRE_SECONDS = -1
    answer = visitor.does(name)
    assert (answer.ran, answer.location) == (False, "/admin/login/?next=/")


@package(
    "django-session-security",
    "session_security.middleware.SessionSecurityMiddleware",
)
def test_session_security(visit: Visit, ada: User):
    """after too long a time without a request the event is nobody's"""
    visitor = visit(ada)
    assert visitor.does(name).value == "ada"
    long_ago = (datetime.now() - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%f")  # noqa: DTZ005
    visitor.does(remember(_session_security=long_ago))
    assert visitor.does(name).value == ""


@package(
    "django-user-sessions",
    instead={SESSIONS: "user_sessions.middleware.SessionMiddleware"},
    SESSION_ENGINE="user_sessions.backends.db",
)
def test_user_sessions(visit: Visit, ada: User):
    """the session's row has the user, the address and the browser of the tab"""
    visitor = visit(ada, client="203.0.113.7", headers={"user-agent": "Some browser"})
    assert visitor.does(remember(seen=True)).ran
    row = UserSession.objects.get(session_key=visitor.cookies["sessionid"])
    assert (row.user, row.ip, row.user_agent) == (ada, "203.0.113.7", "Some browser")


@package(
    "django-qsessions",
    instead={SESSIONS: "qsessions.middleware.SessionMiddleware"},
    SESSION_ENGINE="qsessions.backends.db",
)
def test_qsessions(visit: Visit, ada: User):
    """the session's row has the user, the address and the browser of the tab"""
    visitor = visit(ada, client="203.0.113.7", headers={"user-agent": "Some browser"})
    assert visitor.does(remember(seen=True)).ran
    row = QSession.objects.get(pk=visitor.cookies["sessionid"])
    assert (row.user, row.ip, row.user_agent) == (ada, "203.0.113.7", "Some browser")


@package(
    "django-sesame",
    "sesame.middleware.AuthenticationMiddleware",
    AUTHENTICATION_BACKENDS=["sesame.backends.ModelBackend"],
)
def test_sesame(visit: Visit, ada: User):
    """a link with a token signs in at the event of its page, and is taken out of the address"""
    query = sesame.utils.get_query_string(ada).removeprefix("?")
    visitor = visit(method="GET", query=query)
    assert visitor.does(name).location == "/"
    assert "sessionid" in visitor.cookies
    assert visit(query=query).does(name).value == "ada"


@package(
    "django-oauth-toolkit",
    "oauth2_provider.middleware.OAuth2TokenMiddleware",
    AUTHENTICATION_BACKENDS=["oauth2_provider.backends.OAuth2Backend", MODEL],
)
def test_oauth2_provider(visit: Visit, ada: User):
    """a bearer token of the handshake says who it is; without one it is nobody"""
    soon = timezone.now() + timedelta(hours=1)
    AccessToken.objects.create(user=ada, token="secret", expires=soon, scope="")
    assert visit(headers={"authorization": "Bearer secret"}).does(name).value == "ada"
    assert visit(headers={"authorization": "Bearer wrong"}).does(name).value == ""


@package("djangosaml2", "djangosaml2.middleware.SamlSessionMiddleware")
def test_djangosaml2(visit: Visit):
    """its own session is saved and found again by its own cookie"""
    visitor = visit()
    visitor.does(lambda request: request.saml_session.update({"name_id": "ada"}))
    assert visitor.does(lambda request: request.saml_session["name_id"]).value == "ada"
    assert SessionStore(visitor.cookies["saml_session"])["name_id"] == "ada"


@package(
    "social-auth-app-django",
    "social_django.middleware.SocialAuthExceptionMiddleware",
    SOCIAL_AUTH_LOGIN_ERROR_URL="/failed/",
)
def test_social_auth(visit: Visit):
    """what goes wrong in a login leads to the page for that"""

    def cancel(request):
        from social_django.utils import load_strategy

        request.social_strategy = load_strategy(request)
        raise AuthCanceled(None)

    assert visit().does(cancel).location == "/failed/"


@package("django-cas-ng", "django_cas_ng.middleware.CASMiddleware")
def test_cas_ng(visit: Visit, ada: User):
    """what is no page of the admin is let in, and the user is the session's"""
    assert visit(ada).does(name).value == "ada"


@package("django-auth-adfs", "django_auth_adfs.middleware.LoginRequiredMiddleware")
def test_auth_adfs(visit: Visit, ada: User):
    """a visitor is sent to the login page, a user is let in"""
    answer = visit().does()
    assert (answer.ran, answer.location) == (False, "/admin/login/?next=/")
    assert visit(ada).does(name).value == "ada"


@package(
    "django-guardian", AUTHENTICATION_BACKENDS=[MODEL, "guardian.backends.ObjectPermissionBackend"]
)
def test_guardian(visit: Visit, ada: User):
    """permissions for one object count in a handler"""
    staff, other = Group.objects.create(name="staff"), Group.objects.create(name="other")
    assign_perm("auth.change_group", ada, staff)

    def may(request):
        return [request.user.has_perm("auth.change_group", each) for each in (staff, other)]

    assert visit(ada).does(may).value == [True, False]


@package("django-rest-knox")
def test_knox(visit: Visit, ada: User):
    """tokens are made and ended in a handler"""
    from knox.models import AuthToken, get_token_model

    def make(request):
        return AuthToken.objects.create(request.user)[1]

    visitor = visit(ada)
    assert len(visitor.does(make).value) == 64
    assert visitor.does(lambda request: request.user.auth_token_set.count()).value == 1
    visitor.does(lambda request: request.user.auth_token_set.all().delete())
    assert get_token_model().objects.count() == 0
