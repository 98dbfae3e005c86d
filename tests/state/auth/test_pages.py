"""The ready pages: those whose mixins are there, accessible, replaceable."""

import json

import pytest
import reflex as rx
from django import forms

from rxbridge.state.auth import (
    AuthPages,
    AuthTexts,
    RegistrationConfig,
    SessionAuthConfig,
    add_auth_pages,
    registration_mixin,
    session_auth_mixin,
)
from rxbridge.state.auth.look import FormView, stacked_form, view_fields
from tests.state.auth.app import Auth, LoginOnly, Visit


class Pages:
    """Takes pages as an app does."""

    def __init__(self):
        self.added = {}

    def add_page(self, component, *, route, **options):
        self.added[route.strip("/")] = {"component": component, **options}


def routes(app):
    return set(app.added)


def html_of(component):
    return str(component.render())


def pages_of(state, **options):
    app = Pages()
    add_auth_pages(app, AuthPages(state, **options))
    return app


def test_there_is_a_page_for_each_mixin():
    assert routes(pages_of(Auth)) == {
        "login",
        "logout",
        "register",
        "password-change",
        "password-reset",
        "password-reset/confirm",
    }
    assert routes(pages_of(LoginOnly)) == {"login", "logout"}


def test_pages_can_be_left_out():
    assert routes(pages_of(LoginOnly, omit=["logout"])) == {"login"}


def test_a_form_that_nothing_listens_to_yet_puts_no_password_into_the_address():
    for page in pages_of(Auth, omit=["logout"]).added.values():
        html = html_of(page["component"])
        assert html.count('method:"post"') == html.count("onSubmit")
        assert "is_hydrated" in html


def test_links_lead_only_to_pages_there_are():
    titles = {"to_registration": "REGISTER-HERE", "to_password_reset": "RESET-HERE"}
    seen = []

    def layout(title, *content):
        seen.append(" ".join(map(html_of, content)))
        return rx.fragment(*content)

    pages_of(LoginOnly, texts=AuthTexts(**titles), layout=layout)
    assert "REGISTER-HERE" not in seen[0]
    pages_of(Auth, texts=AuthTexts(**titles), layout=layout)
    assert "REGISTER-HERE" in seen[2]
    assert "RESET-HERE" in seen[2]


def test_routes_are_those_of_the_configuration():
    class Moved(session_auth_mixin(SessionAuthConfig(login_url="/konto/anmelden")), rx.State):
        pass

    assert "konto/anmelden" in routes(pages_of(Moved))


def test_layout_form_texts_and_labels_are_replaceable():
    views = []

    def form(view: FormView):
        views.append(view)
        return rx.text("my form")

    def layout(title, *content):
        return rx.box(rx.text(f"<<{title}>>"), *content)

    app = pages_of(
        LoginOnly,
        texts=AuthTexts(login="Willkommen"),
        labels={"username": "Kundennummer"},
        form=form,
        layout=layout,
    )
    page = html_of(app.added["login"]["component"])
    assert "<<Willkommen>>" in page
    assert "my form" in page
    assert views[0].fields[0].label == "Kundennummer"
    assert "Passwort" in str(views[0].fields[1].label)


def test_fields_are_labelled_and_described():
    (view,) = [
        FormView(
            name="registration",
            fields=view_fields(_Form, {}),
            submit=Auth.register,
            submit_text="Go",
            errors=Auth.registration_errors,
        )
    ]
    html = html_of(stacked_form(view))
    for name in ("nick", "secret", "agree", "size", "story"):
        assert f'htmlFor:"registration-{name}"' in html
        assert f'"id"] : "registration-{name}"' in html or f'registration-{name}"' in html
    assert "registration-nick-error registration-nick-help" in html
    assert "aria-invalid" in html


def test_form_fields_become_the_inputs_they_are():
    fields = {field.name: field for field in view_fields(_Form, {})}
    assert {name: field.kind for name, field in fields.items()} == {
        "nick": "text",
        "secret": "password",
        "agree": "checkbox",
        "size": "select",
        "story": "textarea",
    }
    assert fields["secret"].attributes == {"autocomplete": "new-password"}
    assert fields["nick"].max_length == 20
    assert fields["nick"].autofocus
    assert not fields["secret"].autofocus
    assert fields["nick"].help_texts == ["One.", "Two."]
    assert fields["size"].choices == [("s", "Small"), ("l", "Large")]


class _Form(forms.Form):
    nick = forms.CharField(max_length=20, help_text="<ul><li>One.</li><li>Two.</li></ul>")
    secret = forms.CharField(
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "class": "x"})
    )
    agree = forms.BooleanField()
    size = forms.ChoiceField(choices=[("s", "Small"), ("l", "Large")])
    story = forms.CharField(widget=forms.Textarea, required=False)


def test_labels_help_and_words_follow_the_visitors_language():
    html = html_of(pages_of(Auth).added["password-change"]["component"])
    assert "django_i18n_state.language" in html
    for text in ("Old password", "Altes Passwort", "Change my password", "Mein Passwort ändern"):
        assert json.dumps(text).strip('"') in html.replace("\\\\", "\\")


def test_site_of_one_language_has_one_text_for_each(settings):
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "Locale" not in each]
    settings.LANGUAGE_CODE = "de"
    html = html_of(pages_of(LoginOnly).added["login"]["component"])
    assert "Anmelden" in html
    assert "Log in" not in html
    assert "language" not in html


@pytest.mark.parametrize("more", [Visit.look, [Visit.look, Visit.fill_cart]])
def test_pages_load_what_the_site_wants_after_their_own(more):
    added = pages_of(LoginOnly, on_load=more).added
    listed = more if isinstance(more, list) else [more]
    assert added["login"]["on_load"] == [LoginOnly.open_login, *listed]
    assert added["logout"]["on_load"] == listed


def test_state_without_auth_is_refused():
    class Nothing(rx.State):
        pass

    with pytest.raises(ValueError, match="session_auth_mixin"):
        AuthPages(Nothing)


def test_unknown_page_is_refused():
    with pytest.raises(ValueError, match="no page"):
        AuthPages(LoginOnly, omit=["signup"])


@pytest.mark.parametrize("url", ["login", "//evil.example", "https://evil.example/", ""])
def test_config_refuses_what_is_no_path(url):
    with pytest.raises(ValueError, match="must be a path"):
        SessionAuthConfig(login_url=url)


def test_config_refuses_fields_beside_a_form():
    with pytest.raises(ValueError, match="default form"):
        RegistrationConfig(form="shop.forms.Register", fields=["email"])


def test_page_that_takes_the_link_keeps_its_address_to_itself():
    meta = pages_of(Auth).added["password-reset/confirm"]["meta"]
    assert {"name": "referrer", "content": "same-origin"} in meta


def test_registration_alone_has_one_page():
    class Join(registration_mixin(), rx.State):
        pass

    assert routes(pages_of(Join)) == {"register"}
