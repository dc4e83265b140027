"""The use cases, and what runs beside them."""
