"""Packages that ask for more than a password, or count the wrong ones."""

from collections.abc import Iterator

import django_otp
import pyotp
import pytest
from django.contrib.auth import authenticate, login
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice
from mfa.helpers import is_mfa
from mfa.models import User_Keys
from mfa.totp import verify_login
from two_factor.utils import default_device

from tests.ecosystem.visitors import Visit, package
from tests.state.redis_server import needs_redis, run_redis

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada():
    return User.objects.create_user("ada", password="secret")


@package("django-two-factor-auth", "django_otp.middleware.OTPMiddleware")
def test_two_factor(visit: Visit, ada: User):
    """a handler signs in by password, then token; the next event's user is verified"""
    device = TOTPDevice.objects.create(user=ada, name="default")

    def sign_in(token):
        def work(request):
            user = authenticate(request, username="ada", password="secret")
            login(request, user)
            device = default_device(user)
            if not device.verify_token(token):
                raise PermissionDenied
            django_otp.login(request, device)

        return work

    def verified(request):
        return request.user.is_verified()

    wrong = visit()
    assert wrong.does(sign_in(-1)).status == 403
    assert not wrong.does(verified).value
    TOTPDevice.objects.update(throttling_failure_timestamp=None, throttling_failure_count=0)
    visitor = visit()
    assert visitor.does(sign_in(totp(device.bin_key))).status == 200
    assert visitor.does(verified).value


@package("django-mfa2")
def test_mfa2(visit: Visit, ada: User):
    """a handler checks the token and notes it in the session; the next event is verified"""
    key = pyotp.random_base32()
    User_Keys.objects.create(
        username="ada", key_type="TOTP", enabled=True, properties={"secret_key": key}
    )

    def verify(token):
        def work(request):
            passed, *device = verify_login(request, "ada", token)
            if passed:
                request.session["mfa"] = {"verified": True, "method": "TOTP", "id": device[0]}

        return work

    visitor = visit(ada)
    visitor.does(verify("no"))
    assert not visitor.does(is_mfa).value
    visitor.does(verify(pyotp.TOTP(key).now()))
    assert visitor.does(is_mfa).value


@pytest.fixture
def redis_for_defender(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    redis = pytest.importorskip("redis")
    with run_redis() as url:
        monkeypatch.setattr("defender.utils.REDIS_SERVER", redis.StrictRedis.from_url(url))
        yield


@needs_redis
@package("django-defender", "defender.middleware.FailedLoginMiddleware")
def test_defender(visit: Visit, ada: User, redis_for_defender: None):
    """with its functions called in the handler, an address is locked out after failed logins"""
    from defender import utils

    def sign_in(password):
        def work(request):
            if utils.is_already_locked(request, username="ada"):
                raise PermissionDenied
            user = authenticate(request, username="ada", password=password)
            utils.add_login_attempt_to_db(request, user is not None, username="ada")
            if not utils.check_request(request, user is None, username="ada"):
                raise PermissionDenied
            if user is not None:
                login(request, user)

        return work

    visitor = visit(client="203.0.113.7")
    assert [visitor.does(sign_in("wrong")).status for _ in range(3)] == [200, 200, 403]
    assert visitor.does(sign_in("secret")).status == 403
    assert visitor.does(lambda request: request.user.get_username()).value == ""
    assert utils.get_blocked_ips() == ["203.0.113.7"]
