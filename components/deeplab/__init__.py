"""DeepLabV3+ (Chen et al. 2018): atrous spatial pyramid pooling with a decoder."""
