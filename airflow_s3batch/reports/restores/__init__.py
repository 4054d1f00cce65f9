"""Whether restored objects can be read yet."""
