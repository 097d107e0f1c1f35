"""Photos: found, decoded from hostile bytes, prepared for networks, augmented."""
