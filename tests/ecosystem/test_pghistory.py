"""Packages that keep a history by PostgreSQL's triggers."""

import pytest
from django.contrib.auth.models import User

from tests.ecosystem.histories.models import Line
from tests.ecosystem.visitors import EVERYWHERE, Visit, package

pytestmark = pytest.mark.django_db(transaction=True)


@EVERYWHERE
@package("django-pghistory", "pghistory.middleware.HistoryMiddleware")
def test_pghistory(visit: Visit):
    """a row that is written has the event's user and page in its history; on PostgreSQL"""
    for name in ("ada", "bob"):
        user = User.objects.create_user(name)
        visit(user).does(lambda request: Line.objects.create(text=request.user.get_username()))
        context = Line.pgh_event_model.objects.get(text=name).pgh_context
        assert (context.metadata["user"], context.metadata["url"]) == (user.pk, "/")
