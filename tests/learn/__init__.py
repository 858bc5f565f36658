"""Tests of the course's machinery."""
