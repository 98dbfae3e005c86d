"""Who is behind a socket, and until when."""

__all__: list[str] = []
