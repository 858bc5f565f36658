"""Servers on loopback for tests of storage."""
