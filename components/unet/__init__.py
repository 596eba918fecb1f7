"""U-Net (Ronneberger, Fischer, Brox 2015)."""
