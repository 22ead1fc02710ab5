"""This room knows how requests reach the instances of this machine, and only those that serve."""
