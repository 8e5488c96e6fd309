"""The application whose models the suite records."""
