"""Kiln & Oak: a small shop that shows a Django project and a Reflex app as one application."""
