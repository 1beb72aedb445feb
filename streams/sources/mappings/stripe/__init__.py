"""Stripe's webhook events."""
