"""The tenants of the django-tenants tests."""
