"""Notes that customers keep."""

from django.apps import AppConfig


class NotesConfig(AppConfig):
    """What customers write down, for themselves."""

    name = "notes"
