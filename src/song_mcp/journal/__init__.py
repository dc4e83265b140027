"""The file that knows every task and clip."""
