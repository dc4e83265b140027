"""Saved audio files."""
