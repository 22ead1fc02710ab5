"""The programmable execution service: the port every platform answers."""
