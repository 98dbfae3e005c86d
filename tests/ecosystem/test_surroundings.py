"""Packages that put something around a view: on the request, on the thread, into the context."""

import cid.locals
import django_currentuser.middleware
import django_guid
import django_middleware_global_request.middleware
import log_request_id
import pytest
import request_id
import threadlocals.threadlocals
import waffle
from django.contrib.auth.models import User
from django.utils import timezone
from django_multitenant.utils import get_current_tenant
from flags.state import flag_enabled
from multidb.pinning import this_thread_is_pinned

from tests.ecosystem.visitors import EVERYWHERE, Visit, package

pytestmark = pytest.mark.django_db(transaction=True)


@package("django-htmx", "django_htmx.middleware.HtmxMiddleware")
def test_htmx(visit: Visit):
    """`request.htmx` is there, and false"""
    assert visit().does(lambda request: bool(request.htmx)).value is False


@package("django-user-agents", "django_user_agents.middleware.UserAgentMiddleware")
def test_user_agents(visit: Visit):
    """`request.user_agent` is that of the tab's browser"""
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148 Safari/604.1"
    visitor = visit(headers={"user-agent": phone})
    assert visitor.does(lambda request: request.user_agent.device.family).value == "iPhone"


@EVERYWHERE
@package("django-guid", first=("django_guid.middleware.guid_middleware",))
def test_guid(visit: Visit):
    """each event has an id of its own"""
    visitor = visit()
    ids = {visitor.does(lambda request: django_guid.get_guid()).value for _ in range(2)}
    assert len(ids - {None}) == 2


@EVERYWHERE
@package("django-request-id", first=("request_id.middleware.RequestIdMiddleware",))
def test_request_id(visit: Visit):
    """each event has an id of its own, on the request and where its log filter looks"""
    visitor = visit()
    found = [
        visitor.does(lambda request: {request.request_id, request_id.local.request_id}).value
        for _ in range(2)
    ]
    assert [len(ids) for ids in found] == [1, 1]
    assert found[0] != found[1]


@EVERYWHERE
@package("django-log-request-id", first=("log_request_id.middleware.RequestIDMiddleware",))
def test_log_request_id(visit: Visit):
    """each event has an id of its own, on the request and where its log filter looks"""
    visitor = visit()
    found = [
        visitor.does(lambda request: {request.id, log_request_id.local.request_id}).value
        for _ in range(2)
    ]
    assert [len(ids) for ids in found] == [1, 1]
    assert found[0] != found[1]


@EVERYWHERE
@package("django-cid", first=("cid.middleware.CidMiddleware",), CID_GENERATE=True)
def test_cid(visit: Visit):
    """each event has a correlation id of its own"""
    visitor = visit()
    ids = {visitor.does(lambda request: cid.locals.get_cid()).value for _ in range(2)}
    assert len(ids - {None}) == 2


@EVERYWHERE
@package("django-currentuser", "django_currentuser.middleware.ThreadLocalUserMiddleware")
def test_currentuser(visit: Visit):
    """the current user is the event's, and nobody outside"""
    current = django_currentuser.middleware.get_current_user
    ada = visit(User.objects.create_user("ada"))
    assert ada.does(lambda request: current().get_username()).value == "ada"
    assert current() is None


@EVERYWHERE
@package("django-threadlocals", "threadlocals.middleware.ThreadLocalMiddleware")
def test_threadlocals(visit: Visit):
    """the current request is the event's"""
    current = threadlocals.threadlocals.get_current_request
    assert visit().does(lambda request: current() is request).value


@EVERYWHERE
@package(
    "django-middleware-global-request",
    "django_middleware_global_request.middleware.GlobalRequestMiddleware",
)
def test_global_request(visit: Visit):
    """the current request is the event's"""
    current = django_middleware_global_request.middleware.get_request
    assert visit().does(lambda request: current() is request).value


def get_tenant(request):
    return request.user.get_username()


@EVERYWHERE
@package("django-multitenant", "django_multitenant.middlewares.MultitenantMiddleware")
def test_multitenant(visit: Visit, monkeypatch: pytest.MonkeyPatch):
    """the tenant is the event's user's"""
    monkeypatch.setattr("django_multitenant.middlewares.get_tenant", get_tenant)
    for name in ("ada", "bob"):
        visitor = visit(User.objects.create_user(name))
        assert visitor.does(lambda request: get_current_tenant()).value == name


@EVERYWHERE
@package("django-tz-detect", "tz_detect.middleware.TimezoneMiddleware")
def test_tz_detect(visit: Visit):
    """the time zone found in the session is active while the handler runs"""

    def detect(request):
        request.session["detected_tz"] = "Asia/Tokyo"

    visitor = visit()
    visitor.does(detect)
    assert visitor.does(lambda request: timezone.get_current_timezone_name()).value == "Asia/Tokyo"


@package(
    "django-hosts",
    "django_hosts.middleware.HostsResponseMiddleware",
    first=("django_hosts.middleware.HostsRequestMiddleware",),
    ALLOWED_HOSTS=["*"],
)
def test_hosts(visit: Visit):
    """`request.host` is that of the tab's address"""
    assert visit(host="api.example.com").does(lambda request: request.host.name).value == "api"
    assert visit(host="other.example.com").does(lambda request: request.host.name).value == "shop"


@package("django-flags", FLAGS={"NEW": [{"condition": "path matches", "value": "^/$"}]})
def test_flags(visit: Visit):
    """a flag can depend on the page's path and on the user"""

    def is_new(request):
        return flag_enabled("NEW", request=request)

    assert visit().does(is_new).value
    assert not visit(path="/other").does(is_new).value


@package("django-waffle", "waffle.middleware.WaffleMiddleware")
def test_waffle(visit: Visit):
    """a flag depends on the event's user; the cookie of one for a share of visitors is set"""

    def is_new(request):
        return waffle.flag_is_active(request, "new")

    flag = waffle.get_waffle_flag_model().objects.create(name="new", staff=True)
    assert visit(User.objects.create_user("ada", is_staff=True)).does(is_new).value
    assert not visit(User.objects.create_user("bob")).does(is_new).value
    flag.staff, flag.percent = False, 99.9
    flag.save()
    visitor = visit()
    assert str(visitor.does(is_new).value) == visitor.cookies["dwf_new"]


@package("django-multidb-router", "multidb.middleware.PinningRouterMiddleware")
def test_multidb_router(visit: Visit):
    """a handler, which is a POST, reads from the primary, as does what follows for a while"""
    visitor = visit()
    assert visitor.does(lambda request: this_thread_is_pinned()).value
    assert visitor.cookies["multidb_pin_writes"] == "y"
    assert not visit(method="GET").does(lambda request: this_thread_is_pinned()).value
