"""What training data hold that could explain a result: contamination, answer formats, tells of y+, grades, lengths."""
