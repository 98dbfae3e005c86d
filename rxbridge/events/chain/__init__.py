"""Django's middleware chain around a view."""
