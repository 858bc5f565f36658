"""Tests of the writers, each against a reader that is not ours."""
