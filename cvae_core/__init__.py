"""Conditional variational autoencoders: verb tenses, digits and video, on one training loop."""
