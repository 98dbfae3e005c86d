"""wagtail: what a handler misses is a 404, whatever redirects or flat pages its page's path has."""

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.flatpages.models import FlatPage
from django.contrib.redirects.models import Redirect
from django.contrib.sites.models import Site
from django.http import Http404
from django.test import AsyncClient
from wagtail.contrib.redirects.models import Redirect as WagtailRedirect

from rxbridge.events import DEFAULT_SKIP, MiddlewareRunner, SyntheticRequestFactory
from rxbridge.testing import EventClient
from tests.ecosystem.site import as_gets, bridged_app

pytestmark = pytest.mark.django_db(transaction=True)
FALLBACKS = settings.MIDDLEWARE[-3:]
KEPT = {
    path: why
    for path, why in DEFAULT_SKIP.items()
    if path.removesuffix(".process_response") not in FALLBACKS
}


class Desk(rx.State):
    @rx.event
    def find(self):
        raise Http404


def flat_page() -> None:
    site, _ = Site.objects.get_or_create(pk=1, defaults={"domain": "testserver"})
    page = FlatPage.objects.create(url="/moved/", title="Moved", content="It is here.")
    page.sites.add(site)


def redirect() -> None:
    site, _ = Site.objects.get_or_create(pk=1, defaults={"domain": "testserver"})
    Redirect.objects.create(site=site, old_path="/moved/", new_path="/here/")


def redirect_to_nothing() -> None:
    site, _ = Site.objects.get_or_create(pk=1, defaults={"domain": "testserver"})
    Redirect.objects.create(site=site, old_path="/moved/", new_path="")


def wagtails_redirect() -> None:
    WagtailRedirect.add_redirect("/moved/", "/here/", is_permanent=False)


MADE = {flat_page: 200, redirect: 301, redirect_to_nothing: 410, wagtails_redirect: 302}


@pytest.mark.parametrize("skip", [DEFAULT_SKIP, KEPT], ids=["skipped", "kept"])
@pytest.mark.parametrize("requests", [SyntheticRequestFactory, as_gets], ids=["POST", "GET"])
@pytest.mark.parametrize(("make", "status"), MADE.items())
async def test_missed_by_a_handler_is_a_404_where_a_missing_page_is_not(
    make, status, requests, skip
):
    await sync_to_async(make)()
    assert (await AsyncClient().get("/moved/", headers={})).status_code == status
    async with EventClient(
        bridged_app(requests, skip=skip), host="testserver", path="/moved/"
    ) as tab:
        fired = await tab.fire(Desk.find)
    assert [(each.status, each.handler_ran) for each in fired.refusals] == [(404, True)]
    assert (fired.redirect, fired.toasts) == (None, ["That is no longer there."])


def test_they_take_no_thread_since_they_are_skipped_with_a_reason():
    rows = [row for row in MiddlewareRunner().explain() if row.middleware in FALLBACKS]
    assert [(row.hook, row.runs) for row in rows] == [("process_response", "skipped")] * 3
