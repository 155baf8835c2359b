"""GitHub's side of the playground: REST API v3 over the same repositories, issues and users."""
