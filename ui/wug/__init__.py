"""The views of the Wug test page."""
