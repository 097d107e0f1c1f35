"""Photos to descriptors: what they depend on, what makes them, and files of them."""
