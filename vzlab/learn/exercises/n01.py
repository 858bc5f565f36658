"""Exercises of notebook 01: a file is bytes."""

from __future__ import annotations

from vzlab.learn.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = ()
