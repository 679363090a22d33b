"""Pictures of this project's pages, for README and guides, and the browser that takes them."""
