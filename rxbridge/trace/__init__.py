"""What ran in the last events, where and for how long: as a page, as log lines, as spans."""

from rxbridge.trace._runner import TracedRunner
from rxbridge.trace._trace import EventTrace

__all__ = ["EventTrace", "TracedRunner"]
