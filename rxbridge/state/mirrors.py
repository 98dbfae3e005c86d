"""DjangoUserState: what a page shows of the user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.http import HttpRequest

    from rxbridge.state._concrete import DjangoUserState

__all__ = ["DjangoUserState", "user_fields"]


def user_fields(request: HttpRequest | None) -> dict[str, Any]:
    """Return what ``DjangoUserState`` shows of a request's user; of nobody for ``None``.

    A custom user model need not have all the fields; one it lacks is empty.
    """
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {
            "is_authenticated": False,
            "username": "",
            "email": "",
            "is_staff": False,
            "is_superuser": False,
        }
    return {
        "is_authenticated": True,
        "username": str(user.get_username()),
        "email": str(getattr(user, user.get_email_field_name(), "") or ""),
        "is_staff": bool(getattr(user, "is_staff", False)),
        "is_superuser": bool(getattr(user, "is_superuser", False)),
    }


def __getattr__(name: str) -> Any:
    # Defining a state registers it with Reflex, so that happens when a user asks for it.
    if name == "DjangoUserState":
        from rxbridge.state._concrete import DjangoUserState

        return DjangoUserState
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
