"""The recon gates: figures, rule, records and alarms. What a payment service needs is here: see docs/gates.md."""

from tables.gates.records import gate_key, is_open

__all__ = ["gate_key", "is_open"]
