"""What searches find, studied on data that anybody can get."""
