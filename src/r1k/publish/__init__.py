"""r1k for others: a data set's folder with its card, and its upload, which only a command asks for."""
