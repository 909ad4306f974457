"""Forward problems, benchmarks, and the data sets made from forward and reverse examples."""
