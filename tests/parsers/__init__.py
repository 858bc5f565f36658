"""Parsers, each against its format's own library."""
