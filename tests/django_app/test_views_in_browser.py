"""React takes over a personal page without a complaint, and leaves what Django put there."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.django_app.site import run_reflex

pytestmark = pytest.mark.browser

HEAD = """
  <meta name="user" content="{{ request.headers.accept }}">
  <script nonce="n1">window.early = true</script>
  <link rel="canonical" href="/">
"""
PAGE = """<!DOCTYPE html>
<html lang="ar" dir="rtl"><head>{{ spa.head }}
<meta name="user" content="x"><script nonce="n1">window.early = true</script>
</head><body {{ spa.body_attributes }}>{{ spa.body }}</body></html>
"""
SETTINGS = """
MIDDLEWARE = ["mysite.policy.middleware"]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "DIRS": [BASE_DIR / "templates"],
    "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
}]
"""
POLICY = """
def middleware(get_response):
    async def add(request):
        response = await get_response(request)
        response["Content-Security-Policy"] = (
            "default-src 'self'; script-src 'nonce-n1' 'strict-dynamic';"
            " style-src 'self' 'unsafe-inline'; img-src *"
        )
        return response
    return add
middleware.async_capable, middleware.sync_capable = True, False
"""
URLS = """
from rxbridge.asgi import SPAStaticApp
from rxbridge.django import spa_urlpatterns
from mysite.settings import BASE_DIR
pages = SPAStaticApp(BASE_DIR / ".web" / "build" / "client")
urlpatterns = spa_urlpatterns(pages, nonce=lambda request: "n1", {option}="spa.html")
"""


@pytest.mark.parametrize(
    ("option", "template"), [("head_template_name", HEAD), ("template_name", PAGE)]
)
def test_personal_page_works_under_a_strict_policy(
    site: Path, page: Page, option: str, template: str
):
    behind_django(site, option, template)
    # The bundle is what it was, whatever else the project's files say now.
    with run_reflex(site, "--no-reload") as run:
        run.wait_for("Serving at")
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(run.url)
        page.click("text=add")
        expect(page.locator("#count")).to_have_text("1")
        assert page.locator("meta[name=user]").count() == 1
        assert page.evaluate("window.early") is True
        assert page.locator("html").get_attribute("lang") == ("ar" if template is PAGE else "en")
        assert [each for each in complaints if "favicon" not in each and "404" not in each] == []


def behind_django(site: Path, option: str, template: str) -> None:
    """Let Django serve the pages, with a template, under a strict policy."""
    (site / "templates").mkdir()
    (site / "templates" / "spa.html").write_text(template)
    (site / "mysite" / "policy.py").write_text(POLICY)
    (site / "mysite" / "urls.py").write_text(URLS.format(option=option))
    with (site / "mysite" / "settings.py").open("a") as settings:
        settings.write(SETTINGS)
    asgi = site / "mysite" / "asgi.py"
    lines = asgi.read_text().splitlines()
    asgi.write_text(
        "\n".join("    default=django," if "default=" in line else line for line in lines)
    )
