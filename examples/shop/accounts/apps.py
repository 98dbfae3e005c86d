"""What the shop knows about its users besides their account."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Profiles, bans, and a count of what users do."""

    name = "accounts"

    def ready(self) -> None:
        """Have users greeted."""
        from accounts import greetings  # noqa: F401
