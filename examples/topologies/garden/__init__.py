"""A Django project and a Reflex app, which each of the topologies puts together its own way."""
