"""Real servers on loopback, for tests: HTTP with ranges, and S3. Each has a request log to assert on."""
