"""A blessed model into the served folder, as a numbered version, whole or not at all."""
