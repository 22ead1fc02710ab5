"""What is kept: events, demand, audit, dead letters and the journal."""
