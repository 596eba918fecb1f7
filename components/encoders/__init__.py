"""What the networks share: the style of their layers, resampling, encoders, and weights that others have trained."""
