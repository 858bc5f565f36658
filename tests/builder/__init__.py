"""The builder, without any user interface."""
