"""What the suite imports as `test.cache`."""
