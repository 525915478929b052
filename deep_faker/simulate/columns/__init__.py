"""The numpy engine: all flows that are at one place advance together."""
