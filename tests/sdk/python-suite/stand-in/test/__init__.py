"""Makes the suite's folder a package of its own, ahead of the `test` of Python's standard library."""
