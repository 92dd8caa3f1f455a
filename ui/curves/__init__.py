"""The views of the Curves page."""
