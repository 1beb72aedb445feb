"""Stores of objects behind `agents.bronze_store.Store`: local files and S3; and what reads Bronze back."""
