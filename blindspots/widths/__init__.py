"""How wide a path is: confidence in random directions orthogonal to it, at several radii."""
