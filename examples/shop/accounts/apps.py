"""What the shop knows about its users besides their account."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Bans, and a count of what users do."""

    name = "accounts"
