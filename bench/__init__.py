"""The benchmark: how fast readings come in, beside other ways to do it."""
