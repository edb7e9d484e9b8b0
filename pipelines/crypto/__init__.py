"""Crypto events: raw history is judged before it is loaded into production."""
