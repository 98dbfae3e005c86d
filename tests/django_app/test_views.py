from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory, override_settings
from django.urls import path
from hypothesis import example, given
from hypothesis import strategies as st

from rxbridge.asgi import SPAStaticApp
from rxbridge.django import SPAView, _page, admin_urlpatterns, spa_urlpatterns
from rxbridge.django._page import NONCE_MARK, PageParts, cut_at_head, with_nonce_mark
from tests import settings as suite

PAGE = (
    '<!DOCTYPE html><html lang="en"><head><meta charSet="utf-8"/>'
    '<link rel="modulepreload" href="/assets/a.js"/>'
    "<script>const s = '</head><body>'; // {{ user }} {% load nothing %} {# note #}</script>"
    '</head><body class="x"><main>{{ csrf_token }} {% url "none" %} é</main>'
    '<script type="module">import "/assets/a.js"</script></body></html>'
)
NAVIGATION = {"accept": "text/html,*/*;q=0.8", "sec-fetch-mode": "navigate"}
TEMPLATES = [{**suite.TEMPLATES[0], "DIRS": [Path(__file__).parent / "templates"]}]
IN_MEMORY = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [("django.template.loaders.locmem.Loader", {"spa/vite.html": "personal"})]
        },
    }
]

urlpatterns: list[Any] = []


def greet(request: HttpRequest) -> HttpResponse:
    messages.info(request, "Saved & done")
    return HttpResponse("ok")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in ("index.html", "__spa-fallback.html", "404.html"):
        (tmp_path / name).write_text(PAGE)
    (assets / "a-BpZ3k9Qa.js").write_text("export {}\n" * 20)
    (assets / "a-BpZ3k9Qa.js.gz").write_bytes(b"zipped")
    return tmp_path


@pytest.fixture
def site(bundle: Path) -> Callable[..., None]:
    """Put the pages at the end of a URLconf, with the options of the view."""

    def make(**options: Any) -> None:
        pages = SPAStaticApp(bundle, is_route=lambda path: path.startswith("/product/"))
        urlpatterns[:] = [
            path("greet/", greet),
            *admin_urlpatterns(),
            *spa_urlpatterns(pages, **options),
        ]

    with override_settings(ROOT_URLCONF=__name__, TEMPLATES=TEMPLATES):
        yield make


def browse(url: str, client: Client | None = None, **headers: str) -> HttpResponse:
    return (client or Client()).get(url, headers=NAVIGATION | headers)


def test_pages_are_those_of_the_bundle(site):
    site()
    response = browse("/")
    assert response.content.decode() == PAGE
    assert (response.status_code, response["Cache-Control"]) == (200, "no-cache")
    # It came through settings.MIDDLEWARE.
    assert response["X-Frame-Options"] == "DENY"
    assert browse("/", **{"if-none-match": response["ETag"]}).status_code == 304


@pytest.mark.parametrize(
    ("url", "status"),
    [("/", 200), ("/product/v1.2", 200), ("/unknown", 404), ("/assets/none.js", 404)],
)
@pytest.mark.parametrize("options", [{}, {"head_template_name": "head.html"}])
def test_status_is_that_of_the_bundle(site, url: str, status: int, options: dict[str, str]):
    site(**options)
    assert browse(url).status_code == status


def test_files_keep_their_caching_encoding_and_ranges(site):
    site(head_template_name="head.html")
    script = "/assets/a-BpZ3k9Qa.js"
    zipped = Client().get(script, headers={"accept-encoding": "gzip"})
    assert (zipped.content, zipped["Content-Encoding"]) == (b"zipped", "gzip")
    assert "immutable" in zipped["Cache-Control"]
    part = Client().get(script, headers={"range": "bytes=0-5"})
    assert (part.status_code, part.content) == (206, b"export")


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_other_methods_are_refused(site, method: str):
    site()
    assert getattr(Client(), method)("/").status_code == 405


@pytest.mark.django_db
def test_fragment_knows_user_messages_and_context(site):
    site(head_template_name="head.html", extra_context={"shop": "Kiln & Oak"})
    client = Client()
    client.force_login(get_user_model().objects.create_user("zoë"))
    client.get("/greet/")
    page = browse("/", client).content.decode()
    assert (
        '</script><meta name="user" content="zoë"><meta name="shop" content="Kiln &amp; O' in page
    )
    assert '<meta name="message" content="Saved &amp; done">' in page
    # Shown once, as on any page of Django's.
    assert "Saved" not in browse("/", client).content.decode()


@pytest.mark.django_db
def test_csrf_token_of_the_page_is_accepted(site):
    site(head_template_name="head.html")
    client = Client(enforce_csrf_checks=True)
    token = browse("/", client).content.decode().partition('"csrf" content="')[2][:64]
    assert client.post("/greet/", headers={"x-csrftoken": token}).status_code == 200
    assert client.post("/greet/", headers={"x-csrftoken": "x" * 64}).status_code == 403


@pytest.mark.parametrize("language", ["de", "ar"])
def test_whole_page_is_a_template_in_the_visitors_language(site, language: str):
    site(template_name="page.html")
    page = browse("/product/x", **{"accept-language": language}).content.decode()
    assert page.startswith(f'<!DOCTYPE html><html lang="{language}" data-was="lang="en"">')
    assert PAGE.partition("<head>")[2].partition("</head><body class")[0] in page
    assert '<meta name="user" content="AnonymousUser"></head><body class="x"><main>' in page


def test_whole_page_changes_nothing_of_the_bundle(site):
    site(template_name="page.html")
    page = browse("/").content.decode()
    parts = PageParts.of(PAGE)
    assert parts.head in page
    assert parts.body in page
    assert "{{ csrf_token }} {% url" in parts.body


@pytest.mark.parametrize(
    "options", [{"head_template_name": "head.html"}, {"template_name": "page.html"}]
)
def test_personal_pages_are_kept_by_no_cache(site, options: dict[str, str]):
    site(**options)
    response = browse(
        "/", **{"accept-encoding": "gzip", "if-none-match": "*", "range": "bytes=0-1"}
    )
    assert response.status_code == 200
    assert response["Cache-Control"] == "private, no-store"
    assert not {"ETag", "Last-Modified", "Accept-Ranges"} & response.headers.keys()
    assert int(response["Content-Length"]) == len(response.content)


@pytest.mark.parametrize("option", [{}, {"template_name": "page.html"}])
def test_nonce_is_on_every_script_style_and_link_of_the_page(site, option: dict[str, str]):
    nonces = iter(["abc", 'x"><b>'])
    site(nonce=lambda request: next(nonces), **option)
    page = browse("/").content.decode()
    assert page.count('<script nonce="abc"') == 2
    assert '<link nonce="abc" rel="modulepreload"' in page
    assert page.replace(' nonce="abc"', "").count("</head><body>'; // {{ user }}") == 1
    assert 'nonce="x&quot;&gt;&lt;b&gt;"' in browse("/").content.decode()


def test_nonce_may_be_an_attribute_of_the_request(bundle: Path):
    view = SPAView.as_view(pages=SPAStaticApp(bundle), nonce=attrgetter("csp_nonce"))
    request = RequestFactory().get("/", headers=NAVIGATION)
    request.csp_nonce = "n1"

    async def content() -> bytes:
        return (await view(request)).content

    from asgiref.sync import async_to_sync

    assert b'nonce="n1"' in async_to_sync(content)()


@pytest.mark.django_db(transaction=True)
async def test_it_is_an_async_view_whose_template_may_use_the_database(site):
    site(head_template_name="head.html")
    user = await get_user_model().objects.acreate(username="ann")
    client = AsyncClient()
    await client.aforce_login(user)
    response = await client.get("/", headers=NAVIGATION)
    assert 'name="user" content="ann"' in response.content.decode()


@pytest.mark.parametrize("options", [{}, {"head_template_name": "spa/vite.html"}])
async def test_pages_are_those_of_whoever_serves_them_around_django(bundle: Path, options: Any):
    async def vite(scope: Any, receive: Any, send: Any) -> None:
        kind = b"text/html" if scope["path"] == "/" else b"text/javascript"
        # As Vite does it: with HEAD a page has no type.
        headers = (
            [] if (scope["method"], kind) == ("HEAD", b"text/html") else [(b"content-type", kind)]
        )
        body = b"<head></head>" + scope["path"].encode() + b"?" + scope["query_string"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def get(url: str) -> str:
        request = AsyncRequestFactory().get(url)
        request.scope["rxbridge.pages"] = vite
        return (await view(request)).content.decode()

    view = SPAView.as_view(pages=SPAStaticApp(bundle), **options)
    with override_settings(TEMPLATES=IN_MEMORY):
        assert await get("/app/root.jsx?t=1&import") == "<head></head>/app/root.jsx?t=1&import"
        assert await get("/") == f"<head>{'personal' if options else ''}</head>/?"


def test_page_is_cut_once_per_build(site, bundle: Path, monkeypatch):
    cuts = []
    tags = _page._Tags
    monkeypatch.setattr(_page, "_Tags", lambda text: cuts.append(text) or tags(text))
    (bundle / "index.html").write_text(PAGE.replace("é", "once per build"))
    site(head_template_name="head.html")
    for _ in range(3):
        browse("/")
    assert len(cuts) == 1


def test_admin_is_found_with_and_without_its_slash(site):
    site()
    assert browse("/admin")["Location"] == "/admin/"
    assert "/admin/login/" in browse("/admin/")["Location"]


@pytest.mark.parametrize("prefix", ["", "/", "/admin/"])
def test_admin_prefix_that_cannot_be_is_refused(prefix: str):
    with pytest.raises(ValueError, match="admin/"):
        admin_urlpatterns(prefix)


@pytest.mark.parametrize(
    "options", [{}, {"pages": "x"}, {"head_template_name": "a", "template_name": "b"}]
)
def test_options_that_cannot_work_are_refused_at_once(options: dict[str, Any]):
    with pytest.raises(ImproperlyConfigured):
        SPAView.as_view(**({"pages": SPAStaticApp("/nowhere")} | options if options else options))


SYNTAX = [
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "</head>",
    "<body>",
    "<!--",
    "-->",
    "\r\n",
    "é",
    "\x00",
]
texts = st.lists(st.sampled_from(SYNTAX) | st.text(max_size=4), max_size=12).map("".join)


@given(script=texts, body=texts)
@example(script="'</head><body>'", body="{% endblock %}{{ x }}")
def test_whatever_the_bundle_contains_survives(script: str, body: str):
    script = script.replace("</", "<\\/").replace("<!--", "")
    body = body.replace("<", "&lt;")
    page = f"<html><head><script>{script}</script></head><body>{body}</body></html>"
    parts = PageParts.of(page)
    assert (parts.head, parts.body) == (f"<script>{script}</script>", body)
    assert "<meta>".join(cut_at_head(with_nonce_mark(page))) == (
        f'<html><head><script nonce="{NONCE_MARK}">{script}</script><meta></head>'
        f"<body>{body}</body></html>"
    )
    whole = render(parts)
    assert whole == page


def render(parts: PageParts) -> str:
    from django.template import Context, Engine

    source = "<html><head>{{ spa.head }}</head><body>{{ spa.body }}</body></html>"
    return Engine().from_string(source).render(Context({"spa": parts}))


@given(
    page=st.lists(st.sampled_from([*SYNTAX, PAGE, "<head>", "<script>", "</script>"])).map("".join)
)
def test_inserting_never_changes_what_was_there(page: str):
    page = "<head></head>" + page
    assert "".join(cut_at_head(page)) == page
    assert with_nonce_mark(page).replace(f' nonce="{NONCE_MARK}"', "") == page
