"""The commands: ``export_reflex`` and ``run_reflex``."""

__all__: list[str] = []
