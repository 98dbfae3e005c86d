"""Where staff let people into an organisation."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from accounts.models import Organisation, User

admin.site.register(Organisation)


@admin.register(User)
class EmailUserAdmin(UserAdmin):
    """Django's own, for users who have no name but their address."""

    ordering = ["email"]
    list_display = ["email", "organisation", "is_staff"]
    search_fields = ["email"]
    fieldsets = [
        (None, {"fields": ["email", "password", "organisation"]}),
        ("Permissions", {"fields": ["is_active", "is_staff", "is_superuser", "groups"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "organisation", "password1", "password2"]})]
