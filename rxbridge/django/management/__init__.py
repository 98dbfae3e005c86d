"""Where Django looks for the commands of an app."""

__all__: list[str] = []
