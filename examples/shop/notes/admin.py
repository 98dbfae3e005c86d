"""Notes in the admin."""

from django.contrib import admin

from notes.models import Note


@admin.register(Note)
class NoteAdmin(admin.ModelAdmin):
    """What customers wrote down."""

    list_display = ["title", "owner", "product", "changed"]
    list_select_related = ["owner", "product"]
    search_fields = ["title", "text", "owner__username"]
    autocomplete_fields = ["owner", "product"]
    date_hierarchy = "changed"
    readonly_fields = ["changed"]
