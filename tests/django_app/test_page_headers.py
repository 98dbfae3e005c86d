"""PageHeaders: pages have the headers and the redirect that Django's settings ask for."""

import httpx
import pytest

from rxbridge.asgi import SPAStaticApp
from rxbridge.django import PageHeaders


@pytest.fixture
def bundle(tmp_path):
    (tmp_path / "index.html").write_text("<html></html>")
    return tmp_path


@pytest.fixture
def get(settings, bundle):
    settings.ALLOWED_HOSTS = ["shop.example.com"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_HSTS_SECONDS = 3600
    settings.SECURE_SSL_REDIRECT = True

    async def get(path="/", host="shop.example.com", **headers):
        transport = httpx.ASGITransport(PageHeaders(SPAStaticApp(bundle)))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as http:
            return await http.get(path, headers={"Accept": "text/html", **headers})

    return get


async def test_a_page_has_the_headers_of_the_settings(get):
    page = await get(**{"X-Forwarded-Proto": "https"})
    assert page.status_code == 200
    assert page.headers["strict-transport-security"] == "max-age=3600"
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["referrer-policy"] == "same-origin"
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    assert page.headers.get_list("x-content-type-options") == ["nosniff"]
    assert page.headers["content-type"].startswith("text/html")


async def test_a_page_asked_for_over_http_is_redirected_to_https(get):
    page = await get("/?a=1")
    assert page.status_code == 301
    assert page.headers["location"] == "https://shop.example.com/?a=1"


async def test_a_foreign_host_is_not_redirected_to(get):
    assert (await get(host="evil.example.org")).status_code == 400


async def test_a_header_that_the_app_sets_stays_however_it_is_written():
    async def app(scope, receive, send):
        headers = [(b"Referrer-Policy", b"no-referrer")]  # as Django writes names
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    transport = httpx.ASGITransport(PageHeaders(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        page = await http.get("/")
    assert page.headers.get_list("referrer-policy") == ["no-referrer"]
