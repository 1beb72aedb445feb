"""The recon gates: figures, rule, records and alarms. For those who obey gates: docs/gates.md."""

from tables.gates.records import gate_key, is_open

__all__ = ["gate_key", "is_open"]
