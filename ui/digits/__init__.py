"""The views of the Digits page, a module each."""
