"""Settings: read, checked, and made into values of the other packages."""
