"""What must not be told is told nowhere: not on the page, in JSON, in the log or in a span."""

import json
import logging

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rxbridge.testing import EventClient
from rxbridge.trace import EventTrace
from rxbridge.trace._record import destination
from tests.trace.site import Orders, app
from tests.trace.test_page import get

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def trace(exporter, traced):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return traced(trace=EventTrace(allow=bool, tracer=provider.get_tracer("test")))


class Everything(logging.Handler):
    """A handler that formats each record with all that is on it, as JSON formatters do."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {vars(record)!r}")


@pytest.fixture
def lines():
    logger, handler = logging.getLogger("rxbridge.trace"), Everything()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler.lines
    logger.removeHandler(handler)
    logger.setLevel(level)


SECRETS = {
    "cookie": "secret-cookie",
    "header": "secret-header",
    "payload": "secret-payload",
    "query string": "secret-query",
    "path": "secret-path",
    "fragment": "secret-fragment",
    "SQL parameter": "secret-parameter",
    "SQL literal": "secret-literal",
    "SQL number": "4242424242",
    "SQL in double quotes": "secret-quoted",
    "SQL comment": "secret-note",
    "exception": "secret-message",
    "session": "secret-session",
    "user's e-mail": "secret-mail",
    "user's name": "lovelace",
    "any": "secret",
}


async def test_no_secret_is_told(trace, exporter, lines):
    ada = await User.objects.acreate_user("lovelace", "secret-mail@example.com")
    headers = {"X-Api-Key": "secret-header", "Authorization": "Bearer secret-header"}
    options = {"user": ada, "headers": headers, "cookies": {"token": "secret-cookie"}}
    async with EventClient(app, raise_exceptions=False, **options) as tab:
        await tab.load("/reset/secret-path", query="key=secret-query")
        await tab.fire(Orders.keep(word="secret-session"))
        await tab.fire(Orders.count)
        await tab.fire(Orders.raw)
        await tab.fire(Orders.wrong_sql)
        await tab.fire(Orders.fail(secret="secret-payload"))
        await tab.fire(Orders.deny)
        await tab.fire(Orders.sign_in(username="lovelace"))
        key = tab.cookies[django_settings.SESSION_COOKIE_NAME]
    async with EventClient(app, headers={"X-Refuse": "hook"}) as tab:
        await tab.fire(Orders.count)
    assert len(trace.events()) == 9
    assert {event["result"] for event in trace.events()} == {"done", "refused", "failed"}

    told = {
        "page": (await get(trace)).text,
        "JSON": (await get(trace, "?format=json")).text,
        "log": "\n".join(lines),
        "spans": "\n".join(span.to_json() for span in exporter.get_finished_spans()),
    }
    for place, text in told.items():
        assert "Orders.count" in text, place
        for what, secret in {**SECRETS, "session key": key}.items():
            assert secret not in text, f"{what} in {place}"
    assert "basket" in told["page"]


async def test_a_line_of_the_log_has_its_figures_as_fields(trace, ada, caplog):
    caplog.set_level(logging.INFO, "rxbridge.trace")
    async with EventClient(app, user=ada) as tab:
        await tab.fire(Orders.count)
    [line] = [each for each in caplog.records if each.name == "rxbridge.trace"]
    assert line.getMessage().startswith("tests.trace.site.Orders.count done 200 in ")
    fields = vars(line)
    assert (fields["handler"], fields["result"], fields["status"]) == (
        "tests.trace.site.Orders.count",
        "done",
        200,
    )
    assert (fields["sql_count"], fields["user_id"]) == (3, str(ada.pk))
    assert fields["handler_ms"] < fields["ms"]
    json.dumps(
        {name: fields[name] for name in ("cookies", "redirect", "error_type", "delta_bytes")}
    )


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/login/?next=/secret", "/login/"),
        ("/login/#secret", "/login/"),
        ("/login/;token=secret?x", "/login/"),
        ("https://ada:secret@example.com:8443/path?secret", "https://example.com:8443/path"),
        ("//ada:secret@example.com/path", "//example.com/path"),
        ("javascript:alert('secret')", "javascript:…"),
        ("data:text/plain,secret", "data:…"),
        ("http://[secret", "?"),
        ("", ""),
    ],
)
def test_redirect_is_told_without_what_may_be_secret(location, shown):
    assert destination(location) == shown
