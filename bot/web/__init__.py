"""The pages a person looks at, and the answers a monitor looks for."""
