"""Which split a piece of ground belongs to: rules, ground blocks, the registry that freezes them, the leakage guard."""
