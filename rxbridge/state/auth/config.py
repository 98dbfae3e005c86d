"""What each part of signing in may be told; all of it has a default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from django.contrib.auth.tokens import PasswordResetTokenGenerator
    from django.forms import BaseForm

FormClass: TypeAlias = "type[BaseForm] | str"
"""A form class or its dotted path, which is imported when the form is first needed."""

_NEVER_REGISTERED = frozenset(
    {"password", "is_staff", "is_superuser", "is_active", "groups", "user_permissions"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Config:
    def __post_init__(self) -> None:
        """Raise ``ValueError`` for an address that is none of this site's own."""
        for each in fields(self):
            is_path = each.name.endswith("url") or each.name.startswith("after")
            value = getattr(self, each.name) if is_path else None
            if value is not None and (not value.startswith("/") or value.startswith("//")):
                msg = f"{each.name}={value!r} must be a path on this site that starts with one '/'."
                raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAuthConfig(_Config):
    """How a visitor signs in and out.

    URLs are paths as the address bar shows them. ``after_login`` is where a visitor goes whom
    no ``next`` in the login page's query leads elsewhere; ``allowed_next_hosts`` are hosts that
    ``next`` may name besides the site's own. ``locked_out`` is the error shown while django-axes
    locks the visitor out.
    """

    form: FormClass = "django.contrib.auth.forms.AuthenticationForm"
    login_url: str = "/login"
    logout_url: str = "/logout"
    after_login: str = "/"
    after_logout: str = "/"
    next_parameter: str = "next"
    allowed_next_hosts: Sequence[str] = ()
    locked_out: str = "Too many failed attempts. Please try again later."


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationConfig(_Config):
    """How a visitor registers.

    ``form`` is a form whose ``save()`` creates the user; without one it is Django's, for your
    user model, with the login name, two passwords, and ``fields``, which are other fields of
    that model. With ``sign_in`` the new user is signed in, by authenticating with the new
    password or, where ``backend`` is given, in its name without asking it. Who is not signed in
    goes to ``login_url``.
    """

    form: FormClass | None = None
    fields: Sequence[str] = ()
    url: str = "/register"
    sign_in: bool = True
    backend: str | None = None
    after: str = "/"
    login_url: str = "/login"

    def __post_init__(self) -> None:
        _Config.__post_init__(self)
        if self.form is not None and self.fields:
            msg = "fields= is for the default form; name them in the form given as form=."
            raise ValueError(msg)
        if wrong := sorted(_NEVER_REGISTERED.intersection(self.fields)):
            msg = f"{wrong[0]!r} cannot be registered by a visitor; take it out of fields=."
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChangeConfig(_Config):
    """How a user changes the password; ``after`` is where to go then, ``None`` to stay."""

    form: FormClass = "django.contrib.auth.forms.PasswordChangeForm"
    url: str = "/password-change"
    login_url: str = "/login"
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordResetConfig(_Config):
    """How a visitor who forgot the password sets a new one by a link in an e-mail.

    The link is ``confirm_url`` with ``uid`` and ``token`` in its query, on the host the request
    came to. Without ``email_template`` a short text is sent, in Django's own translations where
    its admin is installed. A template gets what Django's gets, and the link as ``reset_url``.
    A ``form`` of your own is sent with Django's template unless ``email_template`` names one.

    With ``sign_in`` the user is signed in with the new password and goes to ``after``;
    ``backend`` is as in ``RegistrationConfig``.
    """

    form: FormClass | None = None
    confirm_form: FormClass = "django.contrib.auth.forms.SetPasswordForm"
    url: str = "/password-reset"
    confirm_url: str = "/password-reset/confirm"
    login_url: str = "/login"
    sign_in: bool = False
    backend: str | None = None
    after: str = "/"
    from_email: str | None = None
    subject_template: str = "registration/password_reset_subject.txt"
    email_template: str | None = None
    html_email_template: str | None = None
    extra_email_context: Mapping[str, Any] = field(default_factory=dict)
    token_generator: PasswordResetTokenGenerator | None = None
