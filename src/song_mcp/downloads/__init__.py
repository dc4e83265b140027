"""Fetching media without a key."""
