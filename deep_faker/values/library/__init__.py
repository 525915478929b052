"""Faker and Mimesis themselves: their providers, the source of their methods, pools of their values."""
