"""Tickets in the admin: those of one's own organisation, as everywhere."""

from django.contrib import admin

from tickets.models import Comment, Ticket

admin.site.register([Ticket, Comment])
