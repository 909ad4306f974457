"""What a study comes to: tables, figures, and the published numbers to hold them against."""
