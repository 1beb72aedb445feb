"""The notify role: alarms are posted to where people look."""
