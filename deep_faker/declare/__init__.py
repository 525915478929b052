"""What a user declares: events, entities and their fields, and what a flow yields and sees."""
