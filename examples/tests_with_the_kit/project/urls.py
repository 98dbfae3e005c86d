"""Django answers nothing of its own here."""

urlpatterns = []
