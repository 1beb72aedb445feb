"""Monitoring, from declarations: objectives, rules, routes of alerts, and dashboards."""
