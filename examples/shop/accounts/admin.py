"""Users with their bans, and what users do, in the admin."""

from asgiref.sync import async_to_sync
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet, Sum
from django.http import HttpRequest

from accounts.models import Ban, EventCount, Profile
from shop.sockets import sessions

User = get_user_model()
admin.site.unregister(User)


class ProfileInline(admin.StackedInline):
    """See, and take down, the picture of a user."""

    model = Profile
    extra = 0
    verbose_name_plural = "profile"


class BanInline(admin.StackedInline):
    """Ban a user from the page of the user."""

    model = Ban
    extra = 0
    verbose_name_plural = "ban"


@admin.register(User)
class ShopUserAdmin(UserAdmin):
    """Django's own, plus the ban and the number of events."""

    inlines = [ProfileInline, BanInline]
    actions = ["sign_out_everywhere"]
    list_display = ["username", "email", "is_staff", "welcome", "events"]
    list_filter = [*UserAdmin.list_filter, ("ban", admin.EmptyFieldListFilter)]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Read the ban and add up the events in the same query."""
        users = super().get_queryset(request).select_related("ban")
        return users.annotate(events_fired=Sum("event_counts__count", default=0))

    @admin.action(description="Sign out everywhere", permissions=["change"])
    def sign_out_everywhere(self, request: HttpRequest, users: QuerySet) -> None:
        """End the users' sessions; their open pages notice within a second."""
        closed = sum(async_to_sync(sessions.revoker.disconnect)(user=user) for user in users)
        self.message_user(request, f"{len(users)} signed out; {closed} open tabs were told.")

    @admin.display(description="welcome", boolean=True)
    def welcome(self, user: User) -> bool:
        """Return whether the user may come in, which is whether there is no ban."""
        return not hasattr(user, "ban")

    @admin.display(description="events", ordering="events_fired")
    def events(self, user: User) -> int:
        """Return how many events the user fired."""
        return user.events_fired


@admin.register(Ban)
class BanAdmin(admin.ModelAdmin):
    """Everyone who is banned."""

    list_display = ["user", "reason", "since"]
    search_fields = ["user__username", "reason"]
    autocomplete_fields = ["user"]


@admin.register(EventCount)
class EventCountAdmin(admin.ModelAdmin):
    """What ``EventCountMiddleware`` wrote; nothing here is made by hand."""

    list_display = ["handler", "user", "count", "last_at"]
    list_filter = ["handler"]
    list_select_related = ["user"]
    search_fields = ["handler", "user__username"]
    date_hierarchy = "last_at"

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """Return False: the middleware adds them."""
        return False

    def has_change_permission(
        self, _request: HttpRequest, _count: EventCount | None = None
    ) -> bool:
        """Return False: the middleware changes them."""
        return False
