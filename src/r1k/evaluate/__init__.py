"""Generation by lm-eval, grading by rules, and scores; each reads the file that the one before it wrote."""
