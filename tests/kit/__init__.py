"""The testing kit that users have."""
