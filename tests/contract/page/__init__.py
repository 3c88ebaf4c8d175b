"""What people see at the local cloud's door: the page, and the JSON behind it."""
