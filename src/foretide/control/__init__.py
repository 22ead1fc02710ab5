"""The shell with a heartbeat: ingest and the tick, the only corridor between the rooms."""
