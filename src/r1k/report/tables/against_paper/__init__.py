"""Ours against the paper, cell by cell and claim by claim; and whether the paper's print agrees with itself."""
