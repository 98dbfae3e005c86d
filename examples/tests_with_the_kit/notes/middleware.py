"""The project's own middleware; around views and, by the bridge, around the handlers of events."""

from collections.abc import Callable

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from notes.models import Tenant


class MaintenanceMiddleware(MiddlewareMixin):
    """Close the site to all but the staff while ``settings.MAINTENANCE`` is on."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Answer in place of the view."""
        if not settings.MAINTENANCE or request.user.is_staff:
            return None
        return HttpResponse("Back soon.", status=503)


class TenantMiddleware:
    """Put the tenant whose host was asked on the request; there is nothing at other hosts."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Take what comes next."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Find the tenant."""
        request.tenant = Tenant.objects.filter(host=request.get_host()).first()
        if request.tenant is None:
            raise Http404
        return self.get_response(request)
