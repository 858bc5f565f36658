"""Tests of what an inspection says."""
