"""Stores of objects behind `agents.bronze.store.Store`: local files and S3; and what reads Bronze back."""
