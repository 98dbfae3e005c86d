"""The threads that the synchronous code of events runs on."""

__all__: list[str] = []
