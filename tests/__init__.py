"""Tests of vzlab, with the servers, archives and corpus helpers that they share."""
