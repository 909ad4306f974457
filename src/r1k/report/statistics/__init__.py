"""What results are worth: intervals, tests between runs, where the variance comes from. Pure, and without files."""
