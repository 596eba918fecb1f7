"""The wiring: configuration, pipeline, runners, command line, sample scenes."""
