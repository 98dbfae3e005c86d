"""Django's middleware chain around a view."""

__all__: list[str] = []
