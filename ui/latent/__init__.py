"""The views of the Latent space page."""
