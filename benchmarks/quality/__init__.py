"""Trainings of one configuration in several variants and with several seeds, scored alike."""
