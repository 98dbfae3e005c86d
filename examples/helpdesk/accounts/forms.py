"""How one begins: with an organisation, and its first user."""

from django import forms
from django.contrib.auth.forms import BaseUserCreationForm
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation, User


class RegistrationForm(BaseUserCreationForm):
    """A new organisation and its first user; others join by the admin."""

    organisation = forms.CharField(label=_("Organisation"), max_length=80)

    class Meta:
        model = User
        fields = ["email"]

    def clean_organisation(self) -> Organisation:
        """Refuse a name that is taken: whoever knows it is not in by that."""
        name = self.cleaned_data["organisation"]
        if Organisation.objects.filter(name__iexact=name).exists():
            raise forms.ValidationError(_("There is an organisation of that name already."))
        return Organisation(name=name)

    def save(self, commit: bool = True) -> User:
        """Save both."""
        user = super().save(commit=False)
        user.organisation = self.cleaned_data["organisation"]
        if commit:
            user.organisation.save()
            user.save()
        return user
