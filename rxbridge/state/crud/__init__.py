"""List, create, edit and delete for one model, as a state mixin on Django's forms and rules.

Importing it registers nothing with Reflex: handlers exist once you derive a state from a mixin.
"""

from rxbridge.state.crud.config import ModelCRUDConfig
from rxbridge.state.crud.mixin import crud_mixin

__all__ = ["ModelCRUDConfig", "crud_mixin"]
