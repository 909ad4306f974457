"""Tables of results, each as Markdown, CSV and LaTeX."""
