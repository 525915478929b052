"""Data sets that are made part by part, each by whoever: files, then a receipt; the manifest at the end."""
