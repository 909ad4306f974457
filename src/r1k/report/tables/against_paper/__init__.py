"""The results against the paper: cell by cell, difference by difference, and the consistency of the paper's print."""
