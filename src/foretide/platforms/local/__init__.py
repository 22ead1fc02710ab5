"""This room knows the embedded platform: instances are processes of this machine."""
