"""Data in, figure out: one module for each page's figures."""
