"""Seeded sample scenes: towns drawn from vectors, lit by a sun, photographed, written as ISPRS-like tiles."""
