"""Tests of what an inspection looks like."""
