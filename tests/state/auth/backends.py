"""Authentication backends of the tests."""

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied


class LockedOut(ModelBackend):
    """Refuses everyone and says so on the request, as that of django-axes does."""

    def authenticate(self, request, **credentials):
        request.axes_locked_out = True
        raise PermissionDenied


class ByEmail(ModelBackend):
    """Takes an e-mail address for a login name."""

    def authenticate(self, request, username=None, password=None, **kwargs):
        user = User.objects.filter(email__iexact=username or "").first()
        return user if user is not None and user.check_password(password) else None
