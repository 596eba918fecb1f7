"""Records into batches: statistics, order and augmentation, each a pure function of the records and a seed."""
