"""The reference of all keys of a configuration, made of the option classes themselves."""
