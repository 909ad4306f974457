"""Check whether a reverse example is a true inverse: six verdicts, by rules or, where they are undecided, a judge."""
