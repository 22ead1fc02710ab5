"""Where events and demand come from: files, logs, Prometheus."""
