"""The life of a version after it was pushed: labels, canaries, roll-backs, retirement, bundles, and the log of it."""
