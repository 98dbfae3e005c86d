"""A Django app with pages."""
