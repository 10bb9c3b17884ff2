"""The benchmarks: how fast readings come in and orders are taken, beside other ways to do it."""
