"""The URLs Django answers: the admin and a view."""

from django.contrib import admin
from django.http import HttpRequest, JsonResponse
from django.urls import path


def whoami(request: HttpRequest) -> JsonResponse:
    """Tell who asks."""
    return JsonResponse({"user": request.user.get_username()})


urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/whoami/", whoami),
]
