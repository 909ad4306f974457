"""Forward problems, benchmarks, and the sets that are drawn from forward and reverse examples."""
