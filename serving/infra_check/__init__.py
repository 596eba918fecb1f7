"""Before a version is pushed: is it served, under the settings it will be served with, and does it answer right?"""
