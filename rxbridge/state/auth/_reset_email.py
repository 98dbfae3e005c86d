"""The e-mail with the link to set a new password."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib.auth.tokens import default_token_generator
from django.core.mail import EmailMultiAlternatives
from django.template import Context, Engine
from django.template.loader import render_to_string
from django.utils import timezone, translation

from rxbridge.state.auth._forms import load_form

if TYPE_CHECKING:
    from django.http import HttpRequest

    from rxbridge.state.auth.config import PasswordResetConfig

logger = logging.getLogger("rxbridge")

_FORM = "django.contrib.auth.forms.PasswordResetForm"

# The sentences of Django's admin, whose catalogues translate them.
_BODY = """\
{% load i18n %}{% autoescape off %}\
{% blocktranslate %}You're receiving this email because you requested a password reset for your \
user account at {{ site_name }}.{% endblocktranslate %}

{% translate "Please go to the following page and choose a new password:" %}

{{ reset_url }}

{% translate "In case you\N{RIGHT SINGLE QUOTATION MARK}ve forgotten, you are:" %} \
{{ user.get_username }}

{% translate "Thanks for using our site!" %}
{% endautoescape %}"""


def reset_form(config: PasswordResetConfig) -> Any:
    """Return the form that asks for the address, whose mails know the link as ``reset_url``.

    A mail is left to be written and sent ``afterwards``, where the form does that as Django's.
    """
    base = load_form(config.form or _FORM)
    is_plain = config.form is None and config.email_template is None
    is_own = base.send_mail is not load_form(_FORM).send_mail

    class LinkedForm(base):  # type: ignore[misc,valid-type]
        afterwards: list[Callable[[], object]] | None = None

        def send_mail(
            self, subject: str, body: str, context: Any, *args: Any, **kwargs: Any
        ) -> None:
            context |= {"reset_url": _link(config, context)}
            write_and_send = _send_plain if is_plain else super().send_mail
            send = partial(write_and_send, subject, body, context, *args, **kwargs)
            if self.afterwards is None or is_own:
                send()
            else:
                self.afterwards.append(_as_here(send))

    return LinkedForm


def _as_here(call: Callable[[], object]) -> Callable[[], object]:
    """Return ``call`` in the language and time zone of now, which no other thread has."""
    language, zone = translation.get_language(), timezone.get_current_timezone()

    def called_later() -> None:
        with translation.override(language), timezone.override(zone):
            call()

    return called_later


def _link(config: PasswordResetConfig, context: dict[str, Any]) -> str:
    query = urlencode({"uid": context["uid"], "token": context["token"]})
    return f"{context['protocol']}://{context['domain']}{config.confirm_url}?{query}"


def _send_plain(
    subject_template: str,
    body_template: str,  # noqa: ARG001 - the text above is sent instead
    context: dict[str, Any],
    from_email: str | None,
    to_email: str,
    html_email_template_name: str | None = None,
) -> None:
    """Send the text above, in the way of ``PasswordResetForm.send_mail``."""
    subject = " ".join(render_to_string(subject_template, context).split())
    engine = Engine(libraries={"i18n": "django.templatetags.i18n"})
    body = engine.from_string(_BODY).render(Context(context))
    message = EmailMultiAlternatives(subject, body, from_email, [to_email])
    if html_email_template_name is not None:
        html = render_to_string(html_email_template_name, context)
        message.attach_alternative(html, "text/html")
    try:
        message.send()
    except Exception:
        # An error on the page would tell that the address is known.
        logger.exception("Failed to send a password reset e-mail to user %s", context["user"].pk)


def send_link(form: Any, request: HttpRequest, config: PasswordResetConfig) -> None:
    """Send a valid form's mails, one for each active user who has that address."""
    templates = {
        "subject_template_name": config.subject_template,
        "email_template_name": config.email_template,
        "html_email_template_name": config.html_email_template,
    }
    form.save(
        request=request,
        use_https=request.is_secure(),
        token_generator=config.token_generator or default_token_generator,
        from_email=config.from_email,
        extra_email_context=dict(config.extra_email_context),
        **{name: template for name, template in templates.items() if template is not None},
    )
