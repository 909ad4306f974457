"""Tables of results as Markdown, CSV and LaTeX: a stage's records in, a `Document` out."""
