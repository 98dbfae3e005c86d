"""What handlers write."""

import pghistory
from django.db import models


@pghistory.track()
class Line(models.Model):
    """A line of text."""

    text = models.CharField(max_length=200)
