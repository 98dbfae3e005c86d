"""Do what no module of rxbridge may, to show that the probe sees it."""

import os
import sys

import reflex as rx
from django.http import HttpRequest

HttpRequest.get_host = lambda self: "patched"
os.environ["RXBRIDGE_PROBE"] = "1"
sys.path.append("/nowhere")


class Registered(rx.State):
    """A state, which registers as it is made."""
