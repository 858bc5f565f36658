"""Views and steps made of widgets."""
