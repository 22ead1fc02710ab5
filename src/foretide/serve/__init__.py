"""This room knows what Foretide shows in a browser."""
