"""Generation with lm-eval, grading, and scores. Each stage reads the file that the previous stage wrote."""
