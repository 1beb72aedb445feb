"""Grafana's dashboards, of the declarations of views, tiles and metrics. Needs the extra `dashboards`."""
