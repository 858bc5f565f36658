"""Tests of comparing virtual with native reads."""
