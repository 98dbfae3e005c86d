"""translated: the texts of a compiled page in each of the site's languages."""

import reflex as rx
from django.conf import settings as django_settings
from django.test import override_settings

from rxbridge.state import translated


def test_text_is_looked_up_in_the_catalogues():
    assert "Nein" in str(translated("No"))


def test_values_are_put_into_each_translation():
    text = str(translated("Logged in as {name}", name="Ada"))
    assert "{name}" not in text
    assert "Ada" in text
    assert translated("No {text}", text="rest") == "No rest"


def test_vars_stay_what_they_are():
    var = rx.Var.create("No")
    assert translated(var) is var


def test_site_of_one_language_has_plain_text():
    one = [each for each in django_settings.MIDDLEWARE if "Locale" not in each]
    with override_settings(MIDDLEWARE=one, LANGUAGE_CODE="de"):
        assert translated("No") == "Nein"


def test_text_that_no_catalogue_has_is_shown_as_it_is():
    assert translated("Kiln & Oak of {town}", town="Ulm") == "Kiln & Oak of Ulm"
