"""The routes, a module for what each is about."""
