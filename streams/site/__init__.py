"""The schema site: static pages about events, views and error codes, generated from the declarations."""
