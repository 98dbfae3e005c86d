"""The URLs Django answers; everything else is a page of the Reflex app."""

from django.contrib import admin
from django.urls import path

from tickets.views import attachment

urlpatterns = [
    path("admin/", admin.site.urls),
    path("attachments/<int:pk>/", attachment, name="attachment"),
]
