"""Which organisation a request is for, and a click on a page."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from accounts.tenants import within


class OrganisationMiddleware:
    """Run the view, or the handler of an event, within the signed-in user's organisation."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on; nobody has no organisation, and sees nothing."""
        with within(getattr(request.user, "organisation_id", None)):
            return self.get_response(request)
