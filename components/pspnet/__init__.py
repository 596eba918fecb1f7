"""PSPNet (Zhao et al. 2017): pyramid pooling over a dilated encoder."""
