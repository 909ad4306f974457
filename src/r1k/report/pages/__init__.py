"""HTML pages that open without a server."""
