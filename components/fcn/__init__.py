"""FCN-8s (Long, Shelhamer, Darrell 2015) on a residual encoder."""
