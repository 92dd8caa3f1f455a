"""The Theory page's text and interactive parts."""
