"""Pictures of this project's pages, for the README, and the browser that takes them."""
