"""A Django app with one model, for packages that watch what is saved."""
