"""Configuration files of the model servers, and starting one as a child process."""
